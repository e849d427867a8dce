"""Leases that get another end: on their own GPUs, never into a promise, and to the GPU-second in the ledger."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from dure import wire
from dure.errors import ExtensionRefused, InvalidRequest, TooLateToExtend, WrongState
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import GAP_S, T0, World

HOUR = 3600


def balance(world: World, company: str = "acme") -> tuple[int, int]:
    """Committed and spent."""
    with world.db.snapshot() as session:
        row = session.connection().execute(
            text("SELECT committed, spent FROM account WHERE company = :company"), {"company": company}
        )
        found = row.one()
        return found.committed, found.spent


def test_an_active_lease_is_extended_on_its_own_gpus_and_settles_to_the_second(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    held = world.lease(lease).gpus
    found = world.extend(lease, now=T0 + 100, by_s=1800)
    assert (found.by_s, found.commit_gpu_seconds, found.made_way) == (1800, 8 * 1800, [])
    assert balance(world) == (8 * (HOUR + 1800), 0)
    world.turn(T0 + HOUR)
    assert world.lease(lease).state == "active"
    assert world.lease(lease).gpus == held
    world.turn(T0 + HOUR + 1800)
    world.turn(T0 + HOUR + 1800)
    ended = world.lease(lease)
    assert (ended.state, ended.ends_at) == ("ended", to_wire(T0 + HOUR + 1800))
    assert balance(world) == (0, 8 * (HOUR + 1800))
    assert ("extended", "extended") in world.events(lease)


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
    assert refused.value.numbers == {"in_the_way": "capacity", "longest_s": 700 - GAP_S, "gpus": 8}
    assert world.extend(mine, now=T0 + 10, by_s=HOUR, partly=True).by_s == 700 - GAP_S
    assert world.lease(promised).promised_start == promised.promised_start


def test_quota_holds_for_the_added_time(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2", "n3", "n4"), gpus=8)
    mine = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    world.ask(16, start=to_wire(T0 + HOUR + 100), duration_s=HOUR)
    with pytest.raises(ExtensionRefused) as refused:
        world.extend(mine, now=T0 + 10, by_s=HOUR)
    assert refused.value.numbers["in_the_way"] == "quota"
    assert refused.value.numbers["longest_s"] == 100


def test_extending_closes_ten_minutes_before_the_end(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    assert world.lease(lease).extension_closes == to_wire(T0 + HOUR - 600)
    world.extend(lease, now=T0 + HOUR - 600, by_s=60)
    with pytest.raises(TooLateToExtend):
        world.extend(lease, now=T0 + HOUR - 600 + 61, by_s=60)


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
    assert balance(world) == (8 * (HOUR + 1200), 0)


def test_a_shrunk_lease_ends_earlier_and_the_rest_is_refunded(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    found = world.shrink(lease, now=T0 + 100, until=to_wire(T0 + 1800))
    assert (found.by_s, found.commit_gpu_seconds) == (-1800, -8 * 1800)
    world.turn(T0 + 1800)
    world.turn(T0 + 1800)
    assert world.lease(lease).state == "ended"
    assert balance(world) == (0, 8 * 1800)


def test_a_scheduled_lease_is_shrunk_in_size(world: World) -> None:
    lease = world.ask(8, shape={"nodes": 2, "gpus_per_node": 4}, start=to_wire(T0 + HOUR), duration_s=HOUR)
    found = world.shrink(lease, now=T0 + 1, size=1)
    assert (found.lease.shape.nodes, len(found.lease.placement)) == (1, 1)
    assert balance(world) == (4 * HOUR, 0)
    world.turn(T0 + HOUR)
    assert len(world.lease(lease).gpus) == 4


@pytest.mark.parametrize("body", [{"until": to_wire(T0 + 2 * HOUR)}, {"until": to_wire(T0)}, {"by_s": 2 * HOUR}])
def test_a_shrink_that_is_none_is_told_what_would_be(world: World, body: dict[str, object]) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    with pytest.raises(InvalidRequest, match="the new end lies between"):
        world.shrink(lease, now=T0 + 100, **body)


def test_what_runs_is_not_made_smaller_and_what_is_over_is_not_extended(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    with pytest.raises(WrongState, match="shrunk in time alone"):
        world.shrink(lease, now=T0 + 10, size=4)
    world.release(lease, now=T0 + 20)
    with pytest.raises(WrongState):
        world.extend(lease, now=T0 + 30, by_s=60)


def test_an_inference_lease_renews_itself_again_and_again(world: World) -> None:
    lease = world.ask(4, duration_s=HOUR, purpose="inference", renew=True)
    world.turn(T0)
    for hours in (1, 2, 3):
        world.turn(T0 + hours * HOUR - 700)
        assert world.lease(lease).ends_at == to_wire(T0 + (hours + 1) * HOUR)
    assert [event for event, _ in world.events(lease)].count("renewed") == 3
    assert world.lease(lease).state == "active"


def test_a_renewal_that_cannot_be_is_told_once_and_in_time(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    lease = world.ask(8, duration_s=HOUR, purpose="inference", renew=True)
    world.turn(T0)
    world.ask(8, who="globex", start=to_wire(T0 + HOUR + GAP_S), duration_s=HOUR)
    for before_s in (1400, 1300, 1200, 700):
        world.turn(T0 + HOUR - before_s)
    assert [cause for event, cause in world.events(lease) if event == "renewal_refused"] == ["capacity"]
    assert world.lease(lease).ends_at == to_wire(T0 + HOUR)
