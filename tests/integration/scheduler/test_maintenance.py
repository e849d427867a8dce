"""A node out of service: what is scheduled goes elsewhere at once, what runs is left alone, and everybody touched is told."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from dure import wire
from dure.errors import BeyondHorizon, InvalidRequest, TooMany, UnknownNode
from scheduler import explanations, labels, maintenance
from scheduler.core.promises import Happened
from scheduler.core.words import time as rfc
from scheduler.service import Service
from scheduler.store import audit, calendars, fleet, nodes, pools, quotas
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, GAP_S, PRODUCT, T0, World, company

HOUR = 3600


def drain(
    world: World, node: str = "n1", *, now: float = T0, start: int | None = None, duration_s: int = HOUR
) -> wire.Drained:
    body = wire.DrainNode(start=to_wire(start), duration_s=duration_s, reason="new driver")
    with world.db.begin() as session:
        return maintenance.drain(world.service, session, node, body, actor=ADMIN, now=now)


def preview(world: World, node: str, *, start: int) -> wire.Drained:
    body = wire.DrainNode(start=to_wire(start), duration_s=HOUR, reason="new driver")
    with world.db.snapshot() as session:
        return maintenance.preview_drain(world.service, session, node, body, now=T0)


def touched(found: wire.Drained) -> tuple[list[wire.Touched], list[wire.Touched]]:
    return found.moved, found.running


def explained(world: World, lease: wire.Lease) -> str:
    """The last thing that its company is told about it."""
    with world.db.snapshot() as session:
        expected = world.service.expectations.of(session, T0 + 1000)
        return explanations.explain(session, lease.id, actor=company("acme"), expected=expected).steps[-1].detail


def empty_from(world: World, node: str, *, now: float) -> list[datetime | None]:
    with world.db.snapshot() as session:
        return [one.empty_from for one in nodes.get(session, node, now=now).drains]


def both_pools(world: World, node: str) -> None:
    """A node with 4 GPUs for pool `h100` and 4 for `a100`, which has no others."""
    with world.db.begin() as session:
        pools.add(session, wire.PoolCreate(name="a100", product="NVIDIA A100", gap_s=GAP_S), actor=ADMIN, now=T0)
        for name in ("acme", "globex"):
            quotas.put(session, name, "a100", wire.QuotaSet(gpus=4), actor=ADMIN, now=T0)
        nodes.enroll(session, wire.NodeEnroll(name=node), actor=ADMIN, now=T0)
    world.report(node, now=T0, products={PRODUCT: 4, "NVIDIA A100": 4})


def test_each_pool_of_a_page_has_its_own_gpus_and_those_of_them_that_are_out_of_service(world: World) -> None:
    both_pools(world, "n3")
    drain(world, "n3", start=T0 + 10)
    with world.db.snapshot() as session:
        shown = pools.page(session, after=None, limit=1, now=T0 + 10).items
        shown += pools.page(session, after="a100", limit=1, now=T0 + 10).items
        assert pools.page(session, after=None, limit=2, now=T0 + 10).items == shown
        assert [pools.get(session, one.name, now=T0 + 10) for one in shown] == shown
    assert [(one.name, sum(one.gpus.values()), one.gpus[wire.GpuState.FREE], one.free_draining) for one in shown] == [
        ("a100", 4, 4, 4),
        ("h100", 20, 20, 4),
    ]


def test_what_is_scheduled_goes_to_other_nodes_at_the_same_start(world: World) -> None:
    lease = world.ask(8, start=to_wire(T0 + HOUR), duration_s=HOUR)
    on = lease.placement[0].node
    found = drain(world, on, start=T0 + HOUR + 10)
    moved = world.lease(lease)
    assert [(one.lease, one.slipped_s) for one in found.moved] == [(lease.id, 0)]
    assert moved.placement[0].node != on
    assert (moved.starts_at, moved.promised_start) == (lease.starts_at, lease.promised_start)
    assert ("moved", "drain") in world.events(lease)


def audited(world: World) -> int:
    with world.db.snapshot() as session:
        wanted = audit.Wanted(action="node.drain")
        return len(audit.page(session, wanted, after=None, limit=9).items)


def test_the_same_drain_again_is_the_drain_that_is_there_and_nobody_is_told_twice(world: World) -> None:
    lease = world.ask(8, duration_s=2 * HOUR)
    world.turn(T0)
    on = lease.placement[0].node
    first = drain(world, on, start=T0 + HOUR)
    again = drain(world, on, now=T0 + 5, start=T0 + HOUR)
    assert (first.already, again.already) == (False, True)
    assert ([one.id for one in again.drains], again.moved) == ([one.id for one in first.drains], [])
    assert [one.lease for one in again.running] == [one.lease for one in first.running] == [lease.id]
    assert [event for event, _ in world.events(lease)].count("drain_notice") == 1
    assert audited(world) == 1
    assert preview(world, on, start=T0 + HOUR).already


@pytest.mark.parametrize(
    ("reason", "start", "duration_s", "already"),
    [
        pytest.param("new driver", T0 + HOUR + 60, 600, True, id="a part of it"),
        pytest.param(None, T0 + HOUR, HOUR, True, id="for no reason that is said"),
        pytest.param("a fan", T0 + HOUR, HOUR, False, id="for another reason"),
        pytest.param("new driver", T0 + HOUR, HOUR + 1, False, id="longer"),
        pytest.param("new driver", T0 + HOUR - 1, HOUR, False, id="earlier"),
    ],
)
def test_a_drain_is_there_already_where_one_takes_all_of_its_time_for_its_reason(
    world: World, reason: str | None, start: int, duration_s: int, already: bool
) -> None:
    drain(world, start=T0 + HOUR)
    body = wire.DrainNode(start=to_wire(start), duration_s=duration_s, reason=reason)
    with world.db.begin() as session:
        found = maintenance.drain(world.service, session, "n1", body, actor=ADMIN, now=T0)
    assert found.already == already
    assert len(empty_from(world, "n1", now=T0)) == (1 if already else 2)


@pytest.mark.parametrize(
    ("later_s", "duration_s", "already"),
    [
        pytest.param(1, HOUR, True, id="at once"),
        pytest.param(60, HOUR, True, id="within a minute"),
        pytest.param(61, HOUR, False, id="later, when more time may be meant"),
        pytest.param(1, HOUR + 30, False, id="for longer"),
    ],
)
def test_the_same_drain_from_now_on_said_again_shortly_after_touches_no_promise(
    world: World, later_s: int, duration_s: int, already: bool
) -> None:
    promised = [world.ask(8, start=to_wire(T0 + 2), duration_s=2 * HOUR) for _ in range(2)]
    first = drain(world, promised[0].placement[0].node)
    before = [world.lease(one) for one in promised]
    again = drain(world, first.drains[0].node, now=T0 + later_s, duration_s=duration_s)
    assert again.already == already
    assert (again.drains == first.drains) == already
    assert ([world.lease(one) for one in promised] == before) == already
    assert audited(world) == (1 if already else 2)


def test_the_same_drain_for_another_reason_is_another_one(world: World) -> None:
    drain(world)
    body = wire.DrainNode(duration_s=HOUR, reason="a fan")
    with world.db.begin() as session:
        assert not maintenance.drain(world.service, session, "n1", body, actor=ADMIN, now=T0 + 1).already


def test_a_drain_that_is_over_is_not_there_any_more(world: World) -> None:
    drain(world, start=T0 + HOUR)
    with world.db.begin() as session:
        maintenance.resume(world.service, session, "n1", actor=ADMIN, now=T0 + 5)
    assert not drain(world, now=T0 + 10, start=T0 + HOUR).already


def test_what_slips_by_a_drain_is_counted_once_and_not_at_all_where_it_is_not_committed(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    world.ask(8, start=to_wire(T0 + HOUR), duration_s=HOUR)
    body = wire.DrainNode(start=to_wire(T0 + HOUR), duration_s=2 * HOUR)
    with world.db.begin() as session:
        maintenance.drain(world.service, session, "n1", body, actor=ADMIN, now=T0)
        session.rollback()
    assert world.promises(Happened.BROKEN) == {("h100",): 0}
    drain(world, start=T0 + HOUR, duration_s=2 * HOUR)
    world.turn(T0 + 1)
    assert world.promises(Happened.BROKEN) == world.promises(Happened.DUE) == {("h100",): 1}
    slipped = {key: count for key, count in world.promises(Happened.SLIPPED).items() if count}
    assert slipped == {("h100", "drain"): 1}
    world.turn(T0 + 3 * HOUR)
    assert world.promises(Happened.DUE) == {("h100",): 2}, "the later promise is another, and was kept"
    assert world.promises(Happened.BROKEN) == {("h100",): 1}


def test_what_finds_no_other_place_slips_with_its_cause(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    lease = world.ask(8, start=to_wire(T0 + HOUR), duration_s=HOUR)
    found = drain(world, start=T0 + HOUR, duration_s=2 * HOUR)
    late = world.lease(lease)
    assert [one.slipped_s for one in found.moved] == [2 * HOUR]
    assert late.promised_start == late.starts_at == to_wire(T0 + 3 * HOUR)
    assert ("slipped", "drain") in world.events(lease)
    assert late.late_cause == "drain"
    window = {"drain_starts_at": rfc(T0 + HOUR), "drain_ends_at": rfc(T0 + 3 * HOUR)}
    told = {"node": "n1", "drain": found.drains[0].id, "reason": "new driver", **window}
    assert told.items() <= world.detail(lease, "slipped").items()
    assert (late.first_promised_start, late.slipped_s) == (to_wire(T0 + HOUR), 2 * HOUR)
    [slip] = late.slips
    assert (slip.promised_start_before, slip.promised_start) == (late.first_promised_start, late.promised_start)
    assert (slip.cause, slip.node, slip.reason) == ("drain", "n1", "new driver")
    assert slip.why == f"n1 is drained from {window['drain_starts_at']} to {window['drain_ends_at']}: new driver"
    assert explained(world, lease).endswith(
        f"because n1 is drained from {window['drain_starts_at']} to {window['drain_ends_at']}: new driver."
    )


@pytest.mark.parametrize(
    ("wrong", "want", "says"),
    [
        pytest.param(
            {"health": "unhealthy"}, {"lost": "gpu_unhealthy", "lost_gpus": 8}, "a GPU of n1 is sick", id="sick"
        ),
        pytest.param({"gpus": 6}, {"lost": "gpu_gone", "lost_gpus": 2}, "a GPU of n1 is gone", id="gone"),
    ],
)
def test_who_loses_a_node_is_told_which_and_what_is_wrong_there(
    database: Database, wrong: dict[str, Any], want: dict[str, object], says: str
) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    lease = world.ask(8, start=to_wire(T0 + HOUR), duration_s=HOUR)
    world.report("n1", now=T0 + 10, **wrong)
    for at in (20, 400):
        world.turn(T0 + at)
    assert world.lease(lease).state == "queued"
    lost = world.lease(lease)
    assert (lost.first_promised_start, lost.promised_start, lost.slipped_s) == (to_wire(T0 + HOUR), None, 0)
    assert [(slip.promised_start, slip.node, slip.why) for slip in lost.slips] == [(None, "n1", says)]
    assert {"node": "n1", **want}.items() <= world.detail(lease, "queued").items()
    assert explained(world, lease).endswith(f"because {says}.")


def silent(world: World, node: str, *, now: float) -> None:
    with world.db.begin() as session:
        fleet.set_silent(session, node, now=now)


def test_who_is_booked_on_a_silent_node_whose_gpus_are_not_proved_empty_is_told_that_it_is_silent(world: World) -> None:
    """That is why they are not, and what a start that waits for it is told too."""
    lease = world.ask(8, start=to_wire(T0 + HOUR), duration_s=HOUR)
    node = lease.placement[0].node
    silent(world, node, now=T0 + 10)
    with world.db.begin() as session:
        fleet.set_quarantine(session, [f"GPU-{node}-0"], quarantined=True, now=T0 + 11)
        world.service.replan(session, "h100", now=T0 + 12)
    told = {"node": node, "lost": "node_unknown", "lost_gpus": 1}
    assert told.items() <= world.detail(lease, "moved").items()
    assert explained(world, lease).endswith(f"at the same start, because the agent of {node} is silent.")


def test_who_is_booked_on_a_node_that_stays_silent_has_the_spare_and_is_told_why(world: World) -> None:
    lease = world.ask(8, start=to_wire(T0 + HOUR), duration_s=HOUR)
    node = lease.placement[0].node
    silent(world, node, now=T0 + 10)
    world.turn(T0 + 309)
    assert world.lease(lease).placement == lease.placement
    world.turn(T0 + 310)
    moved = world.lease(lease)
    assert moved.placement != lease.placement
    assert (moved.starts_at, moved.slips) == (lease.starts_at, [])
    assert {"node": node, "lost": "node_unknown"}.items() <= world.detail(lease, "moved").items()
    assert explained(world, lease).endswith(f"at the same start, because the agent of {node} is silent.")
    later = world.ask(8, who="globex", start=to_wire(T0 + HOUR), duration_s=HOUR, now=T0 + 311)
    assert later.state == "queued"


def test_whose_start_waits_for_a_silent_node_is_told_which_and_again_once_it_slips(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    lease = world.ask(8, start=to_wire(T0 + 100), duration_s=50)
    silent(world, "n1", now=T0 + 90)
    world.turn(T0 + 100)
    assert world.detail(lease, "start_delayed") == {"node": "n1"}
    assert explained(world, lease) == "Its start waits, because the agent of n1 is silent."
    world.turn(T0 + 130)
    assert world.detail(lease, "queued")["node"] == "n1"
    assert explained(world, lease).endswith("because the agent of n1 is silent.")


def test_a_lease_that_lost_its_promise_keeps_the_cause_and_is_served_without_a_new_notice(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    lease = world.ask(8, start=to_wire(T0 + 60), start_by=to_wire(T0 + 9 * HOUR))
    with world.db.begin() as session:
        fleet.set_silent(session, "n1", now=T0 + 30)
    for second in (30, 60, 110):  # the slot passes, and none is left
        world.turn(T0 + second)
    assert (world.lease(lease).state, world.events(lease)[-1]) == ("queued", ("queued", "node_unknown"))
    world.report("n1", now=T0 + 120)
    world.turn(T0 + 120)
    world.turn(T0 + 121)
    started = world.lease(lease)
    assert (started.state, started.late_cause) == ("active", "node_unknown")
    assert started.starts_at == to_wire(T0 + 120)


def test_what_runs_goes_on_and_is_told(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    on = lease.placement[0].node
    found = drain(world, on, start=T0 + 60)
    assert [one.lease for one in found.running] == [lease.id]
    assert found.drains[0].empty_from == to_wire(T0 + HOUR + GAP_S)
    assert ("drain_notice", "drain") in world.events(lease)
    world.turn(T0 + 1800)
    assert world.lease(lease).state == "active"


def test_nothing_starts_on_a_drained_node(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    drain(world, duration_s=HOUR)
    waiting = world.ask(8, now=T0 + 1)
    assert waiting.promised_start == to_wire(T0 + HOUR)
    world.turn(T0 + 60)
    assert world.lease(waiting).state == "scheduled"


def test_a_drain_of_a_node_that_gives_to_several_pools_is_in_all_of_them(world: World) -> None:
    both_pools(world, "n3")
    asked = {pool: world.ask(4, pool=pool, start=to_wire(T0 + HOUR), duration_s=HOUR) for pool in ("h100", "a100")}
    running = world.ask(4, pool="a100", duration_s=HOUR - 60, who="globex")
    world.pool = "a100"
    world.turn(T0 + 1)
    expected = preview(world, "n3", start=T0 + HOUR - 600)
    found = drain(world, "n3", start=T0 + HOUR - 600)
    assert touched(found) == touched(expected)
    assert {(one.lease, one.pool, one.slipped_s) for one in found.moved} == {
        (asked["h100"].id, "h100", 0),
        (asked["a100"].id, "a100", HOUR - 600),
    }
    assert [one.lease for one in found.running] == [running.id]
    for pool in ("h100", "a100"):
        with world.db.snapshot() as session:
            shown = calendars.show(session, pool, since=to_wire(T0), until=to_wire(T0 + HOUR), actor=ADMIN, now=T0)
        [node] = [node for node in shown.nodes if node.node == "n3"]
        assert [one.reason for one in node.drains] == ["new driver"], pool


def test_a_node_that_joins_a_pool_while_it_is_drained_gives_nothing_to_it(world: World) -> None:
    with world.db.begin() as session:
        nodes.enroll(session, wire.NodeEnroll(name="n3"), actor=ADMIN, now=T0)
    drain(world, "n3", duration_s=HOUR)
    world.report("n3", now=T0 + 1)
    asked = [world.ask(8, now=T0 + 2, who=who, duration_s=2 * HOUR) for who in ("acme", "acme", "globex")]
    assert [lease.starts_at for lease in asked] == [to_wire(T0 + 2), to_wire(T0 + 2), to_wire(T0 + HOUR)]
    assert world.lease(asked[2]).placement[0].node == "n3"


def test_a_node_is_said_to_be_empty_when_what_runs_is_over_and_cleaned(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    on = lease.placement[0].node
    drain(world, on, start=T0 + 60)
    assert empty_from(world, on, now=T0 + 61) == [to_wire(T0 + HOUR + GAP_S)]
    world.release(world.lease(lease), now=T0 + 600)
    world.turn(T0 + 600)
    assert empty_from(world, on, now=T0 + 601) == [to_wire(T0 + 600 + GAP_S)]
    assert empty_from(world, {"n1": "n2", "n2": "n1"}[on], now=T0 + 601) == []


def test_everybody_sees_a_drain_in_the_calendar(world: World) -> None:
    drain(world, start=T0 + 100, duration_s=100)
    with world.db.snapshot() as session:
        shown = calendars.show(session, "h100", since=to_wire(T0), until=to_wire(T0 + HOUR), actor=ADMIN, now=T0)
    first = next(node for node in shown.nodes if node.node == "n1")
    assert [found.reason for found in first.drains] == ["new driver"]
    assert [(step.at, step.free) for step in first.steps] == [
        (to_wire(T0), 8),
        (to_wire(T0 + 100), 0),
        (to_wire(T0 + 200), 8),
    ]


def test_another_replica_learns_of_a_drain_and_of_labels(world: World) -> None:
    other = Service(Books())
    with world.db.snapshot() as session:
        other.books.seen(session, "h100", T0)  # pyright: ignore[reportArgumentType]
    drain(world, start=T0 + 100, duration_s=100)
    with world.db.begin() as session:
        labels.label(session, "n2", wire.NodeLabels(rack="r1", island="a"), actor=ADMIN, now=T0)
    with world.db.snapshot() as session:
        _, book = other.books.seen(session, "h100", T0)  # pyright: ignore[reportArgumentType]
    fresh = Books()
    with world.db.snapshot() as session:
        _, loaded = fresh.seen(session, "h100", T0)  # pyright: ignore[reportArgumentType]
    assert dict(book.nodes) == dict(loaded.nodes)
    assert dict(book.drains) == dict(loaded.drains)
    assert [node.rack for node in book.nodes.values()] == ["", "r1"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"start": to_wire(T0 - 10), "duration_s": 60}, InvalidRequest),
        ({"duration_s": wire.HORIZON_S, "start": to_wire(T0 + 60)}, BeyondHorizon),
    ],
)
def test_a_drain_outside_of_the_calendar_is_refused(
    world: World, body: dict[str, object], error: type[Exception]
) -> None:
    with world.db.begin() as session, pytest.raises(error):
        maintenance.drain(world.service, session, "n1", wire.DrainNode.model_validate(body), actor=ADMIN, now=T0)


def test_there_are_only_so_many_drains_of_a_node_and_the_same_again_is_none_more(world: World) -> None:
    for number in range(maintenance.MOST):
        drain(world, duration_s=HOUR + number)
    with pytest.raises(TooMany, match="dure node resume n1") as refused:
        drain(world, duration_s=2 * HOUR)
    assert refused.value.numbers == {"most": maintenance.MOST}
    body = wire.DrainNode(duration_s=2 * HOUR)
    with world.db.snapshot() as session, pytest.raises(TooMany):
        maintenance.preview_drain(world.service, session, "n1", body, now=T0)
    assert drain(world).already
    assert world.ask(8, start=to_wire(T0 + 600), duration_s=60).placement[0].node == "n2"


def test_an_unknown_node_is_not_drained(world: World) -> None:
    with pytest.raises(UnknownNode):
        drain(world, "n9")


def test_two_drains_at_once_leave_every_promise_on_a_node_that_is_there(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2", "n3"), gpus=8)
    asked = [world.ask(8, start=to_wire(T0 + HOUR), duration_s=HOUR, who=who) for who in ("acme", "globex")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda node: drain(world, node, start=T0 + HOUR, duration_s=HOUR), ["n1", "n2"]))
    places = [(share.node, lease.starts_at) for lease in map(world.lease, asked) for share in lease.placement]
    assert len(set(places)) == 2
    for lease in map(world.lease, asked):
        at_start = lease.starts_at == to_wire(T0 + HOUR)
        assert (lease.placement[0].node == "n3") if at_start else lease.late_start_s is None


def test_a_node_that_a_lease_gave_back_is_empty_once_its_gap_is_over(world: World) -> None:
    lease = world.ask(shape={"nodes": 2, "gpus_per_node": 4}, duration_s=3600)
    world.turn(T0)
    world.shrink(lease, now=T0 + 100, nodes=1)
    [left] = {"n1", "n2"} - {share.node for share in world.lease(lease).placement}
    with world.db.begin() as session:
        body = wire.DrainNode(start=to_wire(T0 + 102), duration_s=600)
        found = maintenance.drain(world.service, session, left, body, actor=ADMIN, now=T0 + 101)
    assert [drain.empty_from for drain in found.drains] == [to_wire(T0 + 100 + GAP_S)]
    assert found.running == []


def test_before_a_promise_slips_for_a_drain_others_leave_a_node_to_it(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2", "n3"), gpus=8, quota=24)
    at = to_wire(T0 + 24 * HOUR)
    whole = world.ask(8, shape={"nodes": 1, "gpus_per_node": 8}, start=at, duration_s=HOUR)
    halves = [world.ask(4, start=at, duration_s=HOUR, who="globex") for _ in range(3)]
    world.cancel(halves.pop(1), now=T0 + 1)
    assert len({share.node for half in halves for share in world.lease(half).placement}) == 2

    body = wire.DrainNode(start=at, duration_s=HOUR, reason="new driver")
    with world.db.begin() as session:
        node = whole.placement[0].node
        found = maintenance.drain(world.service, session, node, body, actor=ADMIN, now=T0 + 2)

    assert [(one.slipped_s, one.starts_at) for one in found.moved] == [(0, at), (0, at)]
    together = {share.node for half in halves for share in world.lease(half).placement}
    assert len(together) == 1
    assert [share.node for share in world.lease(whole).placement] not in ([node], list(together))
    assert sorted(world.events(one)[-1] for one in halves) == [("moved", "made_way"), ("scheduled", "asked")]
    world.turn(T0 + 24 * HOUR)
    assert {world.lease(one).state for one in (whole, *halves)} == {wire.LeaseState.ACTIVE}
