"""Leases that get another end: on their own GPUs, never into a promise, and to the GPU-second in the ledger."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from dure import wire
from dure.errors import ExtensionRefused, InvalidRequest, TooLateToExtend, WrongState
from scheduler import amend, maintenance, policies
from scheduler.core.words import time as rfc
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, GAP_S, GRACE_S, T0, World, company
from tests.integration.scheduler.test_decisions import kept, replay

HOUR = 3600


def test_an_active_lease_is_extended_on_its_own_gpus_and_settles_to_the_second(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    held = world.lease(lease).gpus
    found = world.extend(lease, now=T0 + 100, by_s=1800)
    assert (found.by_s, found.commit_gpu_seconds, found.made_way) == (1800, 8 * 1800, [])
    assert world.balance() == (8 * (HOUR + 1800), 0)
    world.turn(T0 + HOUR)
    assert world.lease(lease).state == "active"
    assert world.lease(lease).gpus == held
    world.turn(T0 + HOUR + 1800)
    world.turn(T0 + HOUR + 1800)
    ended = world.lease(lease)
    assert (ended.state, ended.ends_at) == ("ended", to_wire(T0 + HOUR + 1800))
    assert world.balance() == (0, 8 * (HOUR + 1800))
    assert ("extended", "extended") in world.events(lease)


def test_what_waits_and_is_given_another_end_or_size_is_answered_with_when_it_is_expected(database: Database) -> None:
    """With slack it is booked later than it is expected to start."""
    world = World(database).found(nodes_=("n1",), slack_ppm=500_000)
    world.ask(8, duration_s=HOUR)
    waits = world.ask(8, who="globex", duration_s=HOUR, notice_s=0, now=T0 + 1)
    free = to_wire(T0 + HOUR + GAP_S)
    assert waits.estimated_start == free
    assert waits.starts_at is not None
    assert waits.starts_at > free
    assert world.extend(waits, now=T0 + 2, by_s=60).lease.estimated_start == free
    assert world.shrink(waits, now=T0 + 3, by_s=60).lease.estimated_start == free
    with world.db.snapshot() as session:
        seen = amend.preview_shrunk(
            world.service, session, waits.id, wire.Shrink(gpus=4), actor=company("globex"), now=T0 + 4
        )
    assert seen.lease.estimated_start == free
    assert world.shrink(waits, now=T0 + 4, gpus=4).lease.estimated_start == free


def test_a_scheduled_lease_in_the_way_gets_other_nodes_at_its_own_start(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2"), gpus=8)
    mine = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    other = world.ask(8, who="globex", start=to_wire(T0 + HOUR + 60), duration_s=HOUR)
    first = other.placement
    found = world.extend(mine, now=T0 + 10, by_s=HOUR)
    moved = world.lease(other)
    if first == mine.placement:
        assert found.others == 1
        assert ("moved", "made_way") in world.events(other)
    assert moved.placement != world.lease(mine).placement
    assert (moved.starts_at, moved.promised_start) == (other.starts_at, other.promised_start)


def test_an_extension_into_a_promise_is_refused_with_the_longest_that_is_possible(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    mine = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    promised = world.ask(8, who="globex", start=to_wire(T0 + HOUR + 700), duration_s=HOUR)
    with pytest.raises(ExtensionRefused) as refused:
        world.extend(mine, now=T0 + 10, by_s=HOUR)
    assert refused.value.numbers == {
        "in_the_way": "promise",
        "in_the_way_from": rfc(T0 + HOUR + 700),
        "longest_s": 700 - GAP_S,
        "longest_until": rfc(T0 + HOUR + 700 - GAP_S),
        "gpus": 8,
        "promises_in_the_way": 1,
    }
    assert "promised to others" in refused.value.detail
    partly = world.extend(mine, now=T0 + 10, by_s=HOUR, partly=True)
    assert (partly.by_s, partly.in_the_way) == (700 - GAP_S, "promise")
    assert world.lease(promised).promised_start == promised.promised_start


def test_an_extension_into_a_drain_is_refused_with_how_far_it_can(world: World) -> None:
    """Neither by whole nor by moving somebody: it stays on its own GPUs, and those are gone from then on."""
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    [share] = lease.placement
    body = wire.DrainNode(start=to_wire(T0 + HOUR + 600), duration_s=HOUR, reason="new driver")
    with world.db.begin() as session:
        [drain] = maintenance.drain(world.service, session, share.node, body, actor=ADMIN, now=T0 + 5).drains
    window = {"drain_starts_at": rfc(T0 + HOUR + 600), "drain_ends_at": rfc(T0 + 2 * HOUR + 600)}
    latest = T0 + HOUR + 600 - GAP_S
    ahead = {"node": share.node, "starts_at": drain.starts_at, "ends_at": drain.ends_at, "reason": "new driver"}
    assert world.lease(lease).drain_ahead == wire.DrainAhead.model_validate(ahead | {"latest_end": to_wire(latest)})
    with pytest.raises(ExtensionRefused) as refused:
        world.extend(lease, now=T0 + 10, by_s=HOUR)
    assert refused.value.numbers == {
        "in_the_way": "drain",
        "in_the_way_from": rfc(T0 + HOUR + 600),
        "longest_s": 600 - GAP_S,
        "longest_until": rfc(latest),
        "gpus": 8,
        "node": share.node,
        "drain": drain.id,
        "reason": "new driver",
        **window,
    }
    drained = f"{share.node} is drained from {window['drain_starts_at']} to {window['drain_ends_at']}: new driver"
    assert f": {drained}; it can until {rfc(latest)}" in refused.value.detail
    assert world.balance() == (8 * HOUR, 0)
    longest = world.extend(lease, now=T0 + 10, longest=True)
    assert (longest.by_s, longest.in_the_way) == (600 - GAP_S, "drain")
    assert longest.lease.drain_ahead == world.lease(lease).drain_ahead
    shorter = world.shrink(lease, now=T0 + 15, by_s=600).lease
    assert shorter.drain_ahead is not None
    assert shorter.drain_ahead.latest_end == to_wire(latest)
    with world.db.begin() as session:
        maintenance.resume(world.service, session, share.node, actor=ADMIN, now=T0 + 20)
    assert world.lease(lease).drain_ahead is None
    assert world.extend(lease, now=T0 + 30, by_s=HOUR).by_s == HOUR


def test_a_drain_over_a_running_lease_leaves_it_its_time_and_no_more(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    [share] = lease.placement
    body = wire.DrainNode(start=to_wire(T0 + 1800), duration_s=2 * HOUR)
    with world.db.begin() as session:
        maintenance.drain(world.service, session, share.node, body, actor=ADMIN, now=T0 + 5)
    for by in ({"by_s": 1}, {"longest": True}, {"by_s": HOUR, "partly": True}):
        with pytest.raises(ExtensionRefused) as refused:
            world.extend(lease, now=T0 + 10, **by)
        assert (refused.value.numbers["in_the_way"], refused.value.numbers["longest_s"]) == ("drain", 0)
        assert refused.value.numbers["in_the_way_from"] == rfc(T0 + 1800)
        assert f"{share.node} is drained from {rfc(T0 + 1800)} to {rfc(T0 + 1800 + 2 * HOUR)}" in refused.value.detail
    ahead = world.lease(lease).drain_ahead
    assert ahead is not None
    assert (ahead.node, ahead.latest_end) == (share.node, to_wire(T0 + HOUR))
    assert world.lease(lease).ends_at == to_wire(T0 + HOUR)


def test_quota_holds_for_the_added_time(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2", "n3", "n4"), gpus=8)
    mine = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    world.ask(16, start=to_wire(T0 + HOUR + 100), duration_s=HOUR)
    with pytest.raises(ExtensionRefused) as refused:
        world.extend(mine, now=T0 + 10, by_s=HOUR)
    assert refused.value.numbers["in_the_way"] == "quota"
    assert refused.value.numbers["longest_s"] == 100


def test_extending_closes_at_the_second_ten_minutes_before_the_end(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    closes = T0 + HOUR - 600
    assert world.lease(lease).extension_closes == to_wire(closes)
    with pytest.raises(TooLateToExtend) as late:
        world.extend(lease, now=closes, by_s=60)
    assert late.value.numbers == {"closed_at": rfc(closes), "ends_at": rfc(T0 + HOUR)}
    world.extend(lease, now=closes - 0.5, by_s=60)
    assert world.lease(lease).extension_closes == to_wire(closes + 60)
    world.extend(lease, now=closes + 59, by_s=60)


def test_a_short_lease_is_extended_until_half_of_it_is_over(world: World) -> None:
    lease = world.ask(8, duration_s=100)
    world.turn(T0)
    assert world.lease(lease).extension_closes == to_wire(T0 + 50)
    world.extend(lease, now=T0 + 49, by_s=100)
    with pytest.raises(TooLateToExtend):
        world.extend(lease, now=T0 + 100, by_s=100)


def test_a_pool_says_when_extending_closes_and_never_in_the_grace(database: Database) -> None:
    world = World(database).found(extension_closes_s=GRACE_S)
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    assert world.lease(lease).extension_closes == to_wire(T0 + HOUR - GRACE_S)
    world.turn(T0 + HOUR - GRACE_S)
    assert world.lease(lease).state == "ending"
    with pytest.raises(TooLateToExtend):
        world.extend(lease, now=T0 + HOUR - 1, by_s=60)


def test_nothing_is_extended_past_the_horizon_and_longest_stops_there(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    with pytest.raises(ExtensionRefused) as refused:
        world.extend(lease, now=T0 + 10, by_s=wire.HORIZON_S)
    assert refused.value.numbers["in_the_way"] == "horizon"
    assert world.extend(lease, now=T0 + 10, longest=True).lease.ends_at == to_wire(T0 + 10 + wire.HORIZON_S)


def test_two_extensions_at_once_are_one_after_the_other(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    with ThreadPoolExecutor(2) as pool:
        ends = {
            found.lease.ends_at for found in pool.map(lambda _: world.extend(lease, now=T0 + 10, by_s=600), range(2))
        }
    assert ends == {to_wire(T0 + HOUR + 600), to_wire(T0 + HOUR + 1200)}
    assert world.balance() == (8 * (HOUR + 1200), 0)


def test_a_shrunk_lease_ends_earlier_and_the_rest_is_refunded(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    found = world.shrink(lease, now=T0 + 100, until=to_wire(T0 + 1800))
    assert (found.by_s, found.commit_gpu_seconds) == (-1800, -8 * 1800)
    world.turn(T0 + 1800)
    world.turn(T0 + 1800)
    assert world.lease(lease).state == "ended"
    assert world.balance() == (0, 8 * 1800)


def test_a_scheduled_lease_is_shrunk_in_size(world: World) -> None:
    lease = world.ask(8, shape={"nodes": 2, "gpus_per_node": 4}, start=to_wire(T0 + HOUR), duration_s=HOUR)
    found = world.shrink(lease, now=T0 + 1, nodes=1)
    assert (found.lease.shape.nodes, len(found.lease.placement)) == (1, 1)
    assert [share.gpus for share in found.given_back] == [4]
    assert world.balance() == (4 * HOUR, 0)
    world.turn(T0 + HOUR)
    assert len(world.lease(lease).gpus) == 4


@pytest.mark.parametrize("body", [{"until": to_wire(T0 + 2 * HOUR)}, {"until": to_wire(T0)}, {"by_s": 2 * HOUR}])
def test_a_shrink_that_is_none_is_told_what_would_be(world: World, body: dict[str, object]) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    with pytest.raises(InvalidRequest, match="the new end lies between"):
        world.shrink(lease, now=T0 + 100, **body)


def test_what_is_over_or_about_to_be_is_not_extended(world: World) -> None:
    released, cancelled, queued = (world.ask(4, duration_s=HOUR) for _ in range(3))
    world.turn(T0)
    world.release(released, now=T0 + 20)
    with pytest.raises(WrongState, match="ask for a new one"):
        world.extend(released, now=T0 + 30, by_s=60)
    world.turn(T0 + 40)
    with pytest.raises(WrongState):
        world.extend(released, now=T0 + 50, by_s=60)
    later = world.ask(4, start=to_wire(T0 + HOUR), duration_s=HOUR)
    world.cancel(later, now=T0 + 60)
    with pytest.raises(WrongState):
        world.shrink(later, now=T0 + 70, by_s=60)
    assert world.lease(cancelled).state == world.lease(queued).state == "active"


def test_a_promise_whose_whole_box_passed_while_nobody_started_it_is_not_changed_any_more(world: World) -> None:
    lease = world.ask(4, purpose="inference", start=to_wire(T0 + 20), duration_s=10)
    assert world.extend(lease, now=T0 + 28, by_s=2).lease.ends_at == to_wire(T0 + 32)
    for now in (T0 + 31.5, T0 + 60):
        for change in (
            lambda at: world.extend(lease, now=at, by_s=10),
            lambda at: world.extend(lease, now=at, longest=True),
            lambda at: world.resize(lease, now=at, gpus=8),
            lambda at: world.resize(lease, now=at, gpus=2),
            lambda at: world.shrink(lease, now=at, by_s=1),
        ):
            with pytest.raises(WrongState, match="ask for a new one"):
                change(now)
    assert world.lease(lease).ends_at == to_wire(T0 + 32)
    assert world.balance() == (4 * 12, 0)


def test_a_queued_ask_is_not_extended_but_told_what_to_do(world: World) -> None:
    world.ask(16, duration_s=59 * 24 * HOUR)
    waits = world.ask(16, who="globex", duration_s=2 * 24 * HOUR)
    assert waits.state == "queued"
    with pytest.raises(WrongState, match="cancel it and ask anew"):
        world.extend(waits, now=T0 + 10, by_s=60)


def test_a_scheduled_lease_is_extended_on_other_nodes_if_its_own_are_taken(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2", "n3"), gpus=8)
    mine = world.ask(8, start=to_wire(T0 + 100), duration_s=100)
    [own] = {share.node for share in mine.placement}
    after = [world.ask(8, who="globex", start=to_wire(T0 + 250), duration_s=100) for _ in range(2)]
    assert own in {share.node for lease in after for share in lease.placement}
    found = world.extend(mine, now=T0 + 10, by_s=300)
    assert found.lease.starts_at == mine.starts_at
    assert found.lease.ends_at == to_wire(T0 + 500)
    assert {share.node for share in world.lease(mine).placement} != {own} or found.others
    for lease in after:
        assert world.lease(lease).starts_at == lease.starts_at
    assert world.balance() == (8 * 400, 0)


def test_an_extension_keeps_what_it_was_decided_from_and_can_be_made_again(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2"), gpus=8)
    mine = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    other = world.ask(8, who="globex", start=to_wire(T0 + HOUR + 60), duration_s=HOUR)
    world.ask(8, who="globex", start=to_wire(T0 + 3 * HOUR), duration_s=HOUR)
    world.extend(mine, now=T0 + 10, longest=True)
    [decision] = [head.id for head in kept(world) if head.kind == "extend"]
    assert replay(world, decision).looked_at >= 2
    assert world.lease(other).starts_at == other.starts_at


def test_an_extension_while_a_plan_moves_others_keeps_every_promise(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2"), gpus=8, slack_ppm=2_000_000)
    mine = world.ask(8, duration_s=HOUR, notice_s=0)
    world.turn(T0)
    others = [world.ask(8, who="globex", duration_s=HOUR, notice_s=0) for _ in range(4)]

    def act(number: int) -> None:
        if number % 2:
            with contextlib.suppress(ExtensionRefused):
                world.extend(mine, now=T0 + 10 + number, by_s=300)
        else:
            with world.db.begin() as session:
                world.service.replan(session, "h100", now=T0 + 10 + number)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(act, range(12)))
    for before in others:
        after = world.lease(before)
        assert after.starts_at is not None
        assert after.promised_start is not None
        assert after.promised_start == before.promised_start
        assert after.starts_at <= after.promised_start
    assert world.overbooked(T0 + 30) == []


def test_the_same_extension_sent_twice_at_the_horizon_gives_no_more(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    world.extend(lease, now=T0 + 10, longest=True)
    with pytest.raises(ExtensionRefused) as refused:
        world.extend(lease, now=T0 + 10, longest=True)
    assert (refused.value.numbers["in_the_way"], refused.value.numbers["longest_s"]) == ("horizon", 0)


def test_a_preview_says_the_same_and_changes_nothing(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2"), gpus=8)
    mine = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    world.ask(8, who="globex", start=to_wire(T0 + HOUR + 60), duration_s=HOUR)
    before = world.lease(mine)
    body = wire.Extend(by_s=HOUR)
    with world.db.snapshot() as session:
        seen = amend.preview_extended(world.service, session, mine.id, body, actor=company("acme"), now=T0 + 10)
    assert world.lease(mine) == before
    assert seen == world.extend(mine, now=T0 + 10, by_s=HOUR)


def test_when_extending_closes_is_changed_for_the_leases_that_there_are(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    with world.db.begin() as session:
        body = wire.PolicyChange(extension_closes_s=1200)
        policies.change_policy(world.service, session, "h100", body, actor=ADMIN, now=T0 + 5)
    assert world.lease(lease).extension_closes == to_wire(T0 + HOUR - 1200)
    with pytest.raises(TooLateToExtend):
        world.extend(lease, now=T0 + HOUR - 1200, by_s=60)
    world.extend(lease, now=T0 + HOUR - 1201, by_s=60)
