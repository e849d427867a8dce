"""What an API process does beside its requests."""

import time

import pytest
from sqlalchemy import text

from api.pulse import Pulse
from scheduler.clock import DatabaseClock
from scheduler.store import receiving
from scheduler.store.db import Database


@pytest.fixture
def clock(database: Database) -> DatabaseClock:
    return DatabaseClock(database)


def since(db: Database, now: float) -> float | None:
    with db.snapshot() as session:
        return receiving.since(session, now=now)


def test_a_beat_says_that_reports_can_be_received(database: Database, clock: DatabaseClock) -> None:
    Pulse(database, clock).beat()
    assert since(database, clock.now()) is not None
    assert since(database, clock.now() + receiving.AWAY_AFTER_S + 1) is None


def test_nobody_is_said_to_take_reports_by_a_beat_of_a_clock_that_was_ahead(
    database: Database, clock: DatabaseClock
) -> None:
    Pulse(database, clock).beat()
    assert since(database, clock.now() - 600) is None


def test_beats_are_told_in_the_databases_time_also_after_its_clock_jumped(
    database: Database, clock: DatabaseClock
) -> None:
    clock._offset -= 600
    Pulse(database, clock).beat()
    assert since(database, clock.now() + 600) is not None
    assert since(database, clock.databases()) is not None


def test_it_beats_from_its_beginning_and_not_after_its_end(database: Database, clock: DatabaseClock) -> None:
    def alive_at() -> float:
        with database.snapshot() as session:
            return float(
                session.connection().execute(text("SELECT extract(epoch FROM alive_at) FROM receiving")).scalar_one()
            )

    began = clock.now()
    with Pulse(database, clock):
        deadline = time.monotonic() + 60
        while alive_at() < began - 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    last = alive_at()
    assert last == alive_at()


def test_a_database_that_is_away_is_waited_for(database: Database, clock: DatabaseClock) -> None:
    nowhere = Database("postgresql://nobody@127.0.0.1:1/nothing")
    with Pulse(nowhere, clock) as pulse:
        pass
    assert not pulse._thread.is_alive()
    nowhere.close()
