"""The walk-in reserve in the store: who is held to it, who is told what, and that every decision of it is made again."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from dure import wire
from dure.errors import ExtensionRefused
from scheduler import policies
from scheduler.core.model import Instant
from scheduler.core.walk_in import AHEAD
from scheduler.store import calendars, history
from scheduler.store.books import fresh
from scheduler.store.db import Database
from scheduler.store.tables import Lease
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, T0, World, company
from tests.integration.scheduler.test_decisions import explain, kept, replay
from tests.integration.scheduler.test_loop import Turning
from tests.integration.scheduler.test_offers import claim, search

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def kept_free(database: Database) -> World:
    """16 GPUs, of which 12 may be booked ahead."""
    return World(database).found(walk_in_ppm=250_000)


@pytest.fixture
def turning(kept_free: World) -> Iterator[Turning]:
    made = Turning(kept_free)
    yield made
    assert made.loop.lead is not None
    made.loop.lead.close()


def later(by_s: int) -> datetime:
    return to_wire(T0 + by_s)


def change(world: World, *, now: float, **body: Any) -> None:
    with world.db.begin() as session:
        policies.change_policy(
            world.service, session, "h100", wire.PolicyChange.model_validate(body), actor=ADMIN, now=now
        )


def all_made_again(world: World, now: float) -> None:
    """Every decision, and the book that each process has."""
    for head in kept(world):
        replay(world, head.id)
    at = Instant(int(now))
    with world.db.begin() as session:
        number, known = world.service.books.locked(session, "h100", at)
        anew, logged = fresh(session, "h100", at), history.book(session, "h100", number, known.policy, at)
    assert known.digest(at) == anew.digest(at) == logged.digest(at)
    assert known.limits.steps(AHEAD).since(at) == anew.limits.steps(AHEAD).since(at)


def test_tomorrow_can_be_booked_up_to_the_line_and_what_is_near_to_the_last_gpu(kept_free: World) -> None:
    booked = kept_free.ask(8, start=later(DAY), duration_s=HOUR)
    refused = kept_free.ask(8, start=later(DAY), duration_s=HOUR, who="globex", queue=False).decision
    assert (refused.outcome, refused.code) == ("refused", "walk_in_reserved")
    wanted = {"walk_in_gpus": 4, "walk_in_within_s": HOUR, "ahead_limit_gpus": 12, "ahead_gpus": 8}
    wanted |= {"largest_gpus_now": 4, "walk_in_from": "2027-01-16T07:00:00Z", "ahead_at": "2027-01-16T08:00:00Z"}
    assert wanted.items() <= refused.numbers.items()
    assert "ask again from 2027-01-16T07:00:00Z on" in refused.detail
    got = kept_free.ask(4, start=later(DAY), duration_s=HOUR, who="globex")
    walked_in = kept_free.ask(4, start=later(DAY), duration_s=HOUR, who="globex", now=T0 + DAY - HOUR)
    assert [one.state for one in (booked, got, walked_in)] == ["scheduled"] * 3
    all_made_again(kept_free, T0 + DAY - HOUR)


def test_the_loop_promises_what_waits_once_its_start_is_near_and_it_counts_as_no_booking(turning: Turning) -> None:
    world = turning.world
    ask = world.ask(16, start=later(DAY), duration_s=HOUR)
    assert (ask.state, ask.decision.code) == ("queued", "waits_for_walk_in")
    assert ask.estimated_start == later(DAY)
    turning.tick(T0 + 1)
    turning.tick(T0 + DAY - HOUR - 1)
    assert world.lease(ask).state == "queued"
    turning.tick(T0 + DAY - HOUR)
    assert world.lease(ask).state == "scheduled"
    assert world.events(ask)[-1] == ("scheduled", "walk_in")
    assert "and from 2027-01-16T07:00:00Z on, when that is near enough" in explain(world, ask).steps[0].detail
    with world.db.snapshot() as session:
        assert session.get_one(Lease, ask.id).granted_at == T0 + DAY - HOUR
        assert fresh(session, "h100", Instant(T0 + DAY)).limits.at(AHEAD, T0 + DAY) == 12
    all_made_again(world, T0 + DAY)


def test_the_queue_is_decided_again_the_second_that_a_start_is_near_and_not_a_minute_later(turning: Turning) -> None:
    world = turning.world
    asks = [world.ask(16, start=later(DAY + second), duration_s=1, who="globex") for second in (0, 90)]
    for second in (1, *range(DAY - HOUR - 2, DAY - HOUR + 92)):
        turning.tick(T0 + second)
        near = [world.lease(ask).state == "scheduled" for ask in asks]
        assert near == [second >= DAY - HOUR, second >= DAY - HOUR + 90]


def test_a_reserve_that_is_raised_takes_nothing_and_one_that_is_lowered_serves_the_queue(kept_free: World) -> None:
    booked = kept_free.ask(12, start=later(DAY), duration_s=HOUR)
    waits = kept_free.ask(4, start=later(DAY), duration_s=HOUR, who="globex")
    assert waits.decision.code == "waits_for_walk_in"
    change(kept_free, now=T0 + 10, walk_in_ppm=900_000)
    assert kept_free.lease(booked).promised_start == booked.promised_start
    other = kept_free.ask(1, start=later(DAY), duration_s=HOUR, who="globex", now=T0 + 20)
    assert other.decision.numbers["ahead_limit_gpus"] == 1
    all_made_again(kept_free, T0 + 20)
    change(kept_free, now=T0 + 30, walk_in_ppm=0)
    assert [kept_free.lease(one).state for one in (waits, other)] == ["scheduled", "queued"]
    all_made_again(kept_free, T0 + 30)


def test_what_was_booked_before_there_was_a_reserve_counts_in_it(world: World) -> None:
    world.ask(14, start=later(DAY), duration_s=HOUR)
    change(world, now=T0 + 10, walk_in_ppm=250_000)
    late = world.ask(1, start=later(DAY), duration_s=HOUR, who="globex", now=T0 + 20)
    assert (late.decision.code, late.decision.numbers["ahead_gpus"]) == ("waits_for_walk_in", 14)
    assert world.ask(12, start=later(DAY + 2 * HOUR), duration_s=HOUR, now=T0 + 20).state == "scheduled"
    all_made_again(world, T0 + 20)


def test_what_was_booked_ahead_is_extended_up_to_the_line_and_what_is_near_is_everybody_s(kept_free: World) -> None:
    mine = kept_free.ask(8, start=later(2 * HOUR), duration_s=HOUR)
    kept_free.ask(8, start=later(5 * HOUR), duration_s=HOUR, who="globex")
    with pytest.raises(ExtensionRefused) as refused:
        kept_free.extend(mine, now=T0 + 10, by_s=4 * HOUR)
    assert refused.value.numbers["in_the_way"] == "walk_in"
    assert "what may be booked ahead of the pool is taken from 2027-01-15T13:00:00Z on" in refused.value.detail
    assert kept_free.extend(mine, now=T0 + 10, by_s=2 * HOUR).lease.ends_at == later(5 * HOUR)
    kept_free.turn(T0 + 2 * HOUR)
    kept_free.extend(mine, now=T0 + 4 * HOUR + 1800, by_s=1800)
    all_made_again(kept_free, T0 + 4 * HOUR + 1800)


def test_offers_are_of_what_can_be_booked_and_are_claimed(kept_free: World) -> None:
    kept_free.ask(8, start=later(DAY), duration_s=HOUR)
    offers = search(kept_free, who="globex", start=later(DAY), start_by=later(2 * DAY))
    assert offers[0].starts_at == later(DAY + HOUR)
    lease = claim(kept_free, offers[0], who="globex")
    assert isinstance(lease, wire.Lease)
    assert lease.promised_start == later(DAY + HOUR)
    all_made_again(kept_free, T0 + 1)


def test_the_calendar_says_what_may_still_be_booked(kept_free: World) -> None:
    kept_free.ask(8, start=later(DAY), duration_s=HOUR)
    with kept_free.db.snapshot() as session:
        found = calendars.show(
            session, "h100", since=later(0), until=later(2 * DAY), actor=company("globex"), now=T0 + 1
        ).walk_in
    assert found is not None
    assert (found.gpus, found.within_s, found.limit_gpus, found.near_until) == (4, HOUR, 12, later(HOUR + 1))
    assert [(one.at, one.free) for one in found.steps] == [
        (later(1), 12),
        (later(DAY), 4),
        (later(DAY + HOUR), 12),
    ]


def test_without_a_reserve_the_calendar_says_nothing_of_it(world: World) -> None:
    with world.db.snapshot() as session:
        found = calendars.show(session, "h100", since=later(0), until=later(DAY), actor=ADMIN, now=T0 + 1)
    assert found.walk_in is None
