"""What is told ahead of a start and of an end: once for each, in time, and not what was just told anyway."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from dure import wire
from scheduler.store import events
from scheduler.store.events import BEGINNING
from scheduler.turns import warnings
from tests.integration.scheduler.conftest import T0, World
from tests.integration.scheduler.test_loop import Turning, turning

__all__ = ["turning"]

HOUR = 3600
LEAD = 900


def warn(world: World, now: float) -> list[str]:
    with world.db.begin() as session:
        return [one.lease for one in warnings.warn(session, now=now)[0]]


def told(world: World, lease: wire.Lease) -> list[str]:
    return [event for event, _ in world.events(lease) if event.endswith("_soon")]


def at(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat()


def test_a_start_and_an_end_are_each_told_once_a_quarter_of_an_hour_ahead(any_world: World) -> None:
    lease = any_world.ask(4, start=at(T0 + HOUR), duration_s=HOUR)
    for now, want in [
        (T0 + HOUR - LEAD - 1, []),
        (T0 + HOUR - LEAD, ["starts_soon"]),
        (T0 + HOUR - 1, ["starts_soon"]),
        (T0 + HOUR, ["starts_soon"]),
        (T0 + 2 * HOUR - LEAD - 1, ["starts_soon"]),
        (T0 + 2 * HOUR - LEAD, ["starts_soon", "ends_soon"]),
        (T0 + 2 * HOUR - 6, ["starts_soon", "ends_soon"]),
    ]:
        any_world.turn(now)
        warn(any_world, now)
        assert told(any_world, lease) == want, now - T0


def test_a_warning_says_which_lease_in_which_state_and_in_how_many_seconds(world: World) -> None:
    lease = world.ask(4, start=at(T0 + HOUR), duration_s=HOUR)
    warn(world, T0 + HOUR - 600)
    with world.db.snapshot() as session:
        event = events.event_to_wire(events.after(session, BEGINNING, limit=10)[-1])
    assert (event.type, event.lease, event.company) == ("lease.starts_soon", lease.id, "acme")
    assert (event.data.state, event.data.starts_at) == ("scheduled", lease.starts_at)
    assert event.data.detail == {"in_s": 600}


@pytest.mark.parametrize("ahead", [1, 60, LEAD])
def test_a_start_that_was_promised_less_than_the_lead_ahead_is_not_told_again(world: World, ahead: int) -> None:
    lease = world.ask(4, start=at(T0 + ahead), duration_s=HOUR)
    warn(world, T0)
    warn(world, T0 + ahead - 1)
    assert told(world, lease) == []


@pytest.mark.parametrize(("duration_s", "want"), [(LEAD, []), (LEAD + 1, ["ends_soon"])])
def test_the_end_of_a_box_that_is_shorter_than_the_lead_is_told_by_its_start(
    world: World, duration_s: int, want: list[str]
) -> None:
    lease = world.ask(4, start=at(T0 + HOUR), duration_s=duration_s)
    world.turn(T0 + HOUR)
    for now in (T0 + HOUR, T0 + HOUR + 1, T0 + HOUR + duration_s - 6):
        warn(world, now)
    assert told(world, lease) == want


def test_what_is_over_or_given_up_is_not_warned_of(world: World) -> None:
    released = world.ask(4, duration_s=HOUR)
    cancelled = world.ask(4, start=at(T0 + HOUR), duration_s=HOUR)
    world.turn(T0)
    world.cancel(cancelled, now=T0 + 1)
    world.release(released, now=T0 + 2)
    warn(world, T0 + HOUR - 600)
    assert told(world, released) == told(world, cancelled) == []


def test_a_start_that_is_past_is_not_announced(world: World) -> None:
    lease = world.ask(4, start=at(T0 + HOUR), duration_s=HOUR)
    warn(world, T0 + HOUR)
    warn(world, T0 + HOUR + 60)
    assert told(world, lease) == []


def test_a_start_that_moved_is_told_again_and_one_that_came_near_by_moving_is_not(world: World) -> None:
    """Moves come from re-planning; here the row and its event are written as one."""
    lease = world.ask(4, start=at(T0 + 2 * HOUR), duration_s=HOUR)
    warn(world, T0 + 2 * HOUR - 600)
    assert told(world, lease) == ["starts_soon"]
    moved(world, lease, to=T0 + HOUR, now=T0 + 60)
    warn(world, T0 + HOUR - 600)
    assert told(world, lease) == ["starts_soon", "starts_soon"]
    moved(world, lease, to=T0 + HOUR - 300, now=T0 + HOUR - 500)
    warn(world, T0 + HOUR - 499)
    assert told(world, lease) == ["starts_soon", "starts_soon"]


def moved(world: World, lease: wire.Lease, *, to: int, now: int) -> None:
    with world.db.begin() as session:
        session.connection().execute(
            text(
                "UPDATE lease SET starts_at = to_timestamp(:to), ends_at = to_timestamp(:to + duration_s),"
                " stops_at = to_timestamp(:to + duration_s) WHERE id = :lease"
            ),
            {"to": to, "lease": lease.id},
        )
        session.connection().execute(
            text(
                "INSERT INTO lease_event (company, pool, lease, at, event, state, promised_start, starts_at, stops_at, detail)"
                " SELECT company, pool, id, to_timestamp(:now), 'moved', state, promised_start, starts_at, stops_at, '{}'"
                " FROM lease WHERE id = :lease"
            ),
            {"now": now, "lease": lease.id},
        )


def test_the_loop_warns_and_one_that_was_down_warns_late_rather_than_not_at_all(turning: Turning) -> None:
    lease = turning.world.ask(4, start=at(T0 + HOUR), duration_s=HOUR)
    turning.tick(T0 + HOUR - 60)
    turning.tick(T0 + HOUR - 30)
    assert told(turning.world, lease) == ["starts_soon"]


def test_more_warnings_than_a_batch_holds_are_all_written_in_one_turn(
    turning: Turning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.store.soon.BATCH", 2)
    leases = [turning.world.ask(1, start=at(T0 + HOUR), duration_s=HOUR) for _ in range(5)]
    turning.tick(T0 + HOUR - 60)
    assert [told(turning.world, lease) for lease in leases] == [["starts_soon"]] * 5


def test_a_lease_that_somebody_holds_is_left_for_the_next_turn(world: World) -> None:
    lease = world.ask(4, start=at(T0 + HOUR), duration_s=HOUR)
    with world.db.begin() as holding:
        holding.connection().execute(text("SELECT 1 FROM lease FOR UPDATE"))
        assert warn(world, T0 + HOUR - 600) == []
    assert warn(world, T0 + HOUR - 599) == [lease.id]
