"""When queued asks are expected to start, in the answers of every replica."""

from datetime import datetime, timedelta

from dure import wire
from scheduler.desk import Desk
from scheduler.service import Request, Service
from scheduler.store import shown_leases
from scheduler.store.books import Books
from tests.integration.scheduler.conftest import ADMIN, GAP_S, T0, World, company

ALL = 16
FIRST_S, SECOND_S = 1000, 500


def a_body(duration_s: int) -> wire.Ask:
    return wire.Ask(pool="h100", shape=wire.Shape(gpus=ALL), duration_s=duration_s)


def full(world: World) -> datetime:
    """Nothing is free within the horizon; from when on it is."""
    found = world.ask(ALL, duration_s=wire.HORIZON_S, who="globex")
    assert found.ends_at is not None
    return found.ends_at + timedelta(seconds=GAP_S)


def test_asks_that_are_queued_together_are_expected_one_behind_the_other(world: World) -> None:
    free = full(world)
    requests = [Request(body=a_body(length), actor=company("acme")) for length in (FIRST_S, SECOND_S)]
    with world.db.begin() as session:
        found = world.service.ask_all(session, "h100", requests, now=T0 + 1)
    after_first = free + timedelta(seconds=FIRST_S + GAP_S)
    assert [one.estimated_start for one in found if isinstance(one, wire.Lease)] == [free, after_first]


def test_a_replica_counts_who_queued_at_another_a_moment_ago(world: World) -> None:
    free = full(world)
    other = Service(Books())
    with world.db.snapshot() as session:
        assert len(other.expectations.of(session, T0)("h100")) == 1  # what fills the pool
    first = world.ask(ALL, duration_s=FIRST_S)
    after_first = free + timedelta(seconds=FIRST_S + GAP_S)
    with world.db.snapshot() as session:
        shown = shown_leases.get(session, first.id, actor=ADMIN, expected=other.expectations.of(session, T0 + 1))
        quote = other.quote(session, a_body(SECOND_S), actor=company("acme"), now=T0 + 1)
    assert (first.estimated_start, shown.estimated_start, quote.estimated_start) == (free, free, after_first)
    second = Desk(world.db, other, lambda: T0 + 1).ask(Request(body=a_body(SECOND_S), actor=company("acme")))
    assert second.estimated_start == after_first


def test_who_is_queued_is_not_expected_before_what_was_promised_since_the_last_look(world: World) -> None:
    """What is known of those that wait may be two seconds old; what is booked is not."""
    with world.db.snapshot() as session:
        assert world.service.expectations.of(session, T0)("h100") == {}
    free = full(world)
    assert world.ask(ALL, now=T0 + 1, duration_s=FIRST_S).estimated_start == free
