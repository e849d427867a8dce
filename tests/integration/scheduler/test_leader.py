"""One scheduler leads; one that was stopped and comes back can write nothing."""

import time

import psycopg
import pytest
from sqlalchemy import text

from dure.errors import Unavailable
from scheduler.store.db import Database
from scheduler.store.leader import Deposed, Lead, fence


def _take(lead: Lead) -> None:
    """PostgreSQL gives a lock back when it notices that its holder is gone, a moment after the holder knows."""
    until = time.monotonic() + 60
    while not lead.try_take():
        assert time.monotonic() < until, "the lead was not given back"


def test_one_leads_and_the_next_takes_over_when_it_is_gone(database: Database) -> None:
    first, second = Lead(database.url), Lead(database.url)
    assert first.try_take()
    assert not second.try_take()
    first.close()
    _take(second)
    assert (first.epoch, second.epoch) == (1, 2)
    second.close()


def test_a_deposed_leader_writes_nothing(database: Database) -> None:
    first = Lead(database.url)
    first.try_take()
    first.close()
    second = Lead(database.url)
    _take(second)
    assert first.epoch is not None
    with pytest.raises(Deposed), database.begin() as session:
        fence(session, first.epoch)
    assert second.epoch is not None
    with database.begin() as session:
        fence(session, second.epoch)
    second.close()


def test_a_leader_whose_connection_was_ended_is_told(database: Database) -> None:
    lead = Lead(database.url)
    lead.try_take()
    with psycopg.connect(database.url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'dure-scheduler' AND datname = current_database()"
        )
    with pytest.raises(Unavailable):
        lead.ping()
    lead.close()


def test_an_edge_wakes_the_leader_early(database: Database) -> None:
    lead = Lead(database.url)
    lead.try_take()
    with database.begin() as session:
        session.connection().execute(text("SELECT pg_notify('dure_edge', 'h100')"))
    lead.wait(60.0)
    lead.close()
