"""A lease from ask to proof of empty, on both PostgreSQLs, with the time given."""

import pytest
from sqlalchemy import text

from dure.errors import UnknownLease, WrongState
from scheduler.core.promises import Happened
from scheduler.store import shown_leases
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import GAP_S, GRACE_S, T0, World, company


def _epoch(value: object) -> int:
    return int(value.timestamp())  # type: ignore[attr-defined]


def _ledger(world: World) -> list[tuple[str, int, str]]:
    with world.db.snapshot() as session:
        rows = session.connection().execute(text("SELECT kind, gpu_seconds, cause FROM ledger_entry ORDER BY seq"))
        return [(row.kind, row.gpu_seconds, row.cause) for row in rows]


def test_a_lease_starts_on_its_second_ends_at_its_end_and_is_closed_when_proved_empty(any_world: World) -> None:
    world = any_world
    lease = world.ask(8, now=T0 + 0.2)
    assert (lease.state, _epoch(lease.starts_at), _epoch(lease.ends_at)) == ("scheduled", T0 + 1, T0 + 101)

    world.turn(T0 + 0.9)
    assert world.lease(lease).state == "scheduled"
    world.turn(T0 + 1.01)
    active = world.lease(lease)
    assert (active.state, active.late_start_s, len(active.gpus)) == ("active", 0, 8)

    held = world.report("n1", now=T0 + 2).allocations
    assert [(found.lease, found.ended) for found in held] == [(lease.id, False)] * 8

    world.turn(T0 + 101 - GRACE_S)
    assert world.lease(lease).state == "ending"
    world.turn(T0 + 101.01)
    assert (world.lease(lease).state, world.lease(lease).end_cause) == ("ended", "expired")
    assert world.gpus() == {"cleaning": 8, "free": 8}

    told = world.report("n1", now=T0 + 102).allocations
    assert all(found.ended for found in told)
    assert world.report("n1", now=T0 + 104, knew_ended=[found.allocation for found in told]).allocations == []
    assert all(gpu.proved_empty_at is not None for gpu in world.lease(lease).gpus)
    assert world.gpus() == {"free": 16}
    assert _ledger(world) == [("commit", 800, "promised"), ("settle", 800, "delivered")]
    assert [event for event, _ in world.events(lease)] == ["scheduled", "active", "ending", "ended"]


def test_readings_taken_before_the_end_was_known_prove_nothing(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0 + 1)
    world.turn(T0 + 200)
    assert len(world.report("n1", now=T0 + 200, knew_ended=[]).allocations) == 8
    assert world.lease(lease).gpus[0].proved_empty_at is None


@pytest.mark.parametrize("processes", [1, None], ids=["a process is left", "the processes cannot be seen"])
def test_a_gpu_that_is_not_proved_empty_is_quarantined_until_it_is(world: World, processes: int | None) -> None:
    world.ask(8)
    world.turn(T0 + 1)
    world.turn(T0 + 100)
    told = [found.allocation for found in world.report("n1", now=T0 + 101, processes=processes).allocations]
    world.report("n1", now=T0 + 103, knew_ended=told, processes=processes)
    world.turn(T0 + 100 + GAP_S)
    assert world.gpus() == {"quarantined": 8, "free": 8}
    assert world.ask(16, now=T0 + 120, shape={"nodes": 2, "gpus_per_node": 8}).state == "queued"
    world.report("n1", now=T0 + 121, knew_ended=told)
    world.turn(T0 + 121.1)
    assert world.gpus()["free"] == 16 - world.gpus().get("leased", 0)
    assert "quarantined" not in world.gpus()


def test_a_lease_waits_for_a_gpu_that_is_not_empty_and_the_cause_is_written_down(world: World) -> None:
    first = world.ask(16, shape={"nodes": 2, "gpus_per_node": 8})
    world.turn(T0 + 1)
    second = world.ask(16, now=T0 + 2, shape={"nodes": 2, "gpus_per_node": 8})
    assert _epoch(second.promised_start) == _epoch(first.ends_at) + GAP_S
    world.turn(_epoch(first.ends_at))
    due = _epoch(second.starts_at)
    world.turn(due)
    assert (world.lease(second).state, world.lease(second).late_cause) == ("scheduled", "gpu_not_empty")
    for node in ("n1", "n2"):
        told = [found.allocation for found in world.report(node, now=due + 1).allocations]
        world.report(node, now=due + 2, knew_ended=told)
    world.turn(due + 3)
    late = world.lease(second)
    assert (late.state, late.late_start_s, late.late_cause) == ("active", 3, "gpu_not_empty")
    assert late.ends_at == second.ends_at
    world.turn(_epoch(late.ends_at))
    assert _ledger(world)[-2:] == [("settle", 16 * 97, "delivered"), ("refund", 16 * 3, "gpu_not_empty")]


def test_a_loop_that_was_down_catches_up_and_says_that_it_was_away(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0 + 40, led_since=T0 + 40)
    late = world.lease(lease)
    assert (late.state, late.late_start_s, late.late_cause) == ("active", 40, "scheduler_away")
    assert late.promised_start == lease.promised_start
    assert late.ends_at == lease.ends_at


def test_a_lease_whose_whole_box_passed_while_nobody_led_ends_and_is_refunded_whole(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0 + 500, led_since=T0 + 500)
    assert (world.lease(lease).state, world.lease(lease).end_cause) == ("ended", "expired")
    assert _ledger(world) == [("commit", 800, "promised"), ("refund", 800, "never_started")]


def test_a_release_ends_the_lease_at_once_and_refunds_the_rest(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0 + 1)
    released = world.release(lease, now=T0 + 30.5)
    assert (released.state, _epoch(released.stops_at)) == ("ending", T0 + 31)
    assert released.ends_at == lease.ends_at
    world.turn(T0 + 31)
    assert (world.lease(lease).state, world.lease(lease).end_cause) == ("ended", "released")
    assert _ledger(world)[1:] == [
        ("settle", 8 * 30, "delivered"),
        ("refund", 8, "scheduler_slow"),
        ("refund", 552, "released"),
    ]


def test_a_release_lets_the_next_ask_start_after_the_gap(world: World) -> None:
    lease = world.ask(16, shape={"nodes": 2, "gpus_per_node": 8}, duration_s=1000)
    world.turn(T0 + 1)
    world.release(lease, now=T0 + 50)
    following = world.ask(8, now=T0 + 50)
    assert _epoch(following.promised_start) == T0 + 50 + GAP_S


def test_a_queued_ask_is_promised_when_something_is_cancelled_in_order_of_arrival(world: World) -> None:
    booked = world.ask(16, start=_rfc(T0 + 1000), shape={"nodes": 2, "gpus_per_node": 8})
    first = world.ask(8, start=_rfc(T0 + 1000), who="globex")
    second = world.ask(16, start=_rfc(T0 + 1000), who="globex", shape={"nodes": 2, "gpus_per_node": 8})
    assert (first.state, second.state) == ("queued", "queued")
    world.cancel(booked, now=T0 + 5)
    world.turn(T0 + 5.1)
    assert (world.lease(first).state, world.lease(second).state) == ("scheduled", "queued")
    assert ("scheduled", "capacity") in world.events(first)


def test_who_waited_for_quota_is_told_that_it_was_quota(world: World) -> None:
    world.set_quota("acme", 8, now=T0)
    running = world.ask(8, duration_s=1000)
    world.turn(T0 + 1)
    waiting = world.ask(8, start=_rfc(T0 + 500))
    assert waiting.decision.code == "waits_for_quota"
    world.release(running, now=T0 + 10)
    world.turn(T0 + 11)
    assert world.events(waiting) == [("queued", "asked"), ("scheduled", "quota")]


def test_a_queued_ask_expires_when_its_last_start_is_past(world: World) -> None:
    world.ask(16, start=_rfc(T0 + 10), shape={"nodes": 2, "gpus_per_node": 8}, duration_s=1000)
    waiting = world.ask(8, start=_rfc(T0 + 20), who="globex")
    assert waiting.state == "queued"
    world.turn(T0 + 20)
    assert world.lease(waiting).state == "queued"
    world.turn(T0 + 22)
    assert world.lease(waiting).state == "expired"


def test_a_queued_ask_is_promised_when_a_node_joins(database: object) -> None:
    world = World(database).found(nodes_=("n1",))  # type: ignore[arg-type]
    world.ask(8, duration_s=1000, start=_rfc(T0 + 60))
    waiting = world.ask(8, start=_rfc(T0 + 60), who="globex")
    with world.db.begin() as session:
        from dure.wire import NodeEnroll
        from scheduler.store import nodes
        from tests.integration.scheduler.conftest import ADMIN

        nodes.enroll(session, NodeEnroll(name="n2"), actor=ADMIN, now=T0 + 1)
    world.report("n2", now=T0 + 2)
    world.turn(T0 + 3)
    assert world.lease(waiting).state == "scheduled"


@pytest.mark.parametrize("state", ["scheduled", "ended"])
def test_only_an_active_lease_is_released(world: World, state: str) -> None:
    lease = world.ask(8)
    if state == "ended":
        world.turn(T0 + 1)
        world.turn(T0 + 100)
    with pytest.raises(WrongState, match=state):
        world.release(lease, now=T0 + 101)


def test_a_promise_that_is_cancelled_once_its_start_was_missed_was_broken(world: World) -> None:
    missed, ahead = world.ask(8), world.ask(8, start=to_wire(T0 + 3600))
    for lease in (missed, ahead):
        world.cancel(lease, now=T0 + 60)
    assert world.promises(Happened.DUE) == world.promises(Happened.BROKEN) == {("h100",): 1}


def test_only_what_has_not_started_is_cancelled(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0 + 1)
    with pytest.raises(WrongState, match="active"):
        world.cancel(lease, now=T0 + 2)


def test_another_companys_lease_is_no_lease(world: World) -> None:
    lease = world.ask(8)
    with world.db.snapshot() as session, pytest.raises(UnknownLease):
        shown_leases.get(session, lease.id, actor=company("globex"))


def _rfc(instant: int) -> str:
    from scheduler.store.times import to_wire

    return to_wire(instant).isoformat()
