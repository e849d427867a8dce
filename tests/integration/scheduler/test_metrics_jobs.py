"""What the leader reads seldom for its metrics: how large the database is, and whether the ledger adds up."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from structlog.testing import capture_logs

from scheduler import ledger_checks, measuring
from scheduler.ledger_checks import LedgerChecks
from scheduler.metrics import FleetCollector, Measured
from scheduler.store import sums, tables
from scheduler.store.db import Database
from tests.cluster.daemons import until
from tests.integration.scheduler.conftest import T0, World
from tests.integration.scheduler.test_ledger import tampered
from tests.integration.scheduler.test_loop import Turning, turning

__all__ = ["turning"]


class Seen:
    """What a scrape says of what was measured."""

    def __init__(self, turning: Turning) -> None:
        self.measured = Measured()
        self.registry = CollectorRegistry()
        leads = lambda: turning.loop.leads  # noqa: E731
        self.registry.register(FleetCollector(turning.world.db, turning.clock.now, leads, measured=self.measured))
        self.checks = LedgerChecks(turning.world.db, turning.loop, turning.clock.now, every_s=900)
        self._turning = turning

    def look(self, now: float) -> tuple[bool, bool]:
        world, loop = self._turning.world, self._turning.loop
        self._turning.clock.at = now
        return (
            measuring.measure_database(world.db, loop, now, self.measured),
            self.checks.look(),
        )

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def seen(turning: Turning) -> Seen:
    return Seen(turning)


def test_the_database_is_measured_once_a_minute_and_not_for_every_scrape(turning: Turning, seen: Seen) -> None:
    assert seen.value("dure_database_size_bytes") is None
    assert seen.look(T0) == (True, True)
    assert (seen.value("dure_database_size_bytes") or 0) > 1_000_000
    told = {
        sample.labels["table"]
        for metric in seen.registry.collect()
        for sample in metric.samples
        if "table" in sample.labels
    }
    assert told == {_name(table) for table in tables.__all__} | {"alembic_version", "schema_version"}
    assert (seen.value("dure_table_size_bytes", table="lease") or 0) > 8192
    assert seen.value("dure_backup_last_timestamp_seconds") is None, "nothing is archived"
    assert seen.look(T0 + 59) == (False, False)
    assert seen.look(T0 + 60) == (True, False)
    assert seen.look(T0 + 900) == (True, True)


def test_a_ledger_that_does_not_add_up_is_told_and_when_that_was_found(turning: Turning, seen: Seen) -> None:
    turning.world.ask(8)
    seen.look(T0)
    assert (seen.value("dure_ledger_faults"), seen.value("dure_ledger_verified_timestamp_seconds")) == (0, T0)
    with tampered(turning.world) as connection:
        connection.execute("UPDATE account SET spent = spent + 1, granted = granted + 1")
    seen.look(T0 + 900)
    assert (seen.value("dure_ledger_faults"), seen.value("dure_ledger_verified_timestamp_seconds")) == (1, T0 + 900)


def test_who_does_not_lead_any_more_measures_nothing_and_tells_nothing_that_it_measured(
    turning: Turning, seen: Seen
) -> None:
    seen.look(T0)
    epoch = deposed(turning)
    assert seen.value("dure_database_size_bytes") is None
    assert seen.look(T0 + 1000) == (False, False)
    assert turning.loop.lead is not None
    turning.loop.lead.epoch = epoch
    assert seen.value("dure_database_size_bytes") is None
    assert seen.look(T0 + 1001) == (True, True), "what it measured before is long ago"


def test_when_the_ledger_was_last_verified_outlives_who_led_then(turning: Turning, seen: Seen) -> None:
    assert seen.value("dure_ledger_verified_timestamp_seconds") is None, "it never was"
    seen.look(T0)
    another = Seen(turning)
    assert another.value("dure_ledger_verified_timestamp_seconds") == T0
    assert another.look(T0 + 840) == (True, False), "it was verified, whoever did"
    assert another.look(T0 + 900) == (True, True)
    assert seen.value("dure_ledger_verified_timestamp_seconds") == T0 + 900


def test_a_ledger_that_could_not_be_verified_is_left_alone_for_as_long_as_one_that_was(
    turning: Turning, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    turning.world.ask(8)
    monkeypatch.setattr(sums, "_POSTED", text("SELECT pg_sleep(60)"))
    monkeypatch.setattr(ledger_checks, "LONGEST_S", 1)
    with capture_logs() as said:
        assert seen.look(T0) == (True, False)
    (line,) = said
    assert (line["action"], line["failed"], line["too_slow"]) == ("ledger_unverified", 1, True)
    assert seen.value("dure_ledger_verified_timestamp_seconds") is None
    monkeypatch.undo()
    assert seen.look(T0 + 840) == (True, False)
    assert seen.look(T0 + 900) == (True, True)


def test_a_check_that_runs_ends_with_its_process_and_is_not_begun_twice(
    turning: Turning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "_POSTED", text("SELECT pg_sleep(600)"))
    with closing(Database(turning.world.db.url, pool_size=2)) as db, ThreadPoolExecutor(1) as beside:
        checks = LedgerChecks(db, turning.loop, turning.clock.now)
        running = beside.submit(checks.look)
        until(lambda: _sleeps(turning.world), (), within_s=60, what="the check")
        assert not checks.look()
        db.close()
        assert running.result(timeout=120) is False


def _sleeps(world: World) -> bool:
    with psycopg.connect(world.db.url) as owner:
        asked = "SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND state = 'active'"
        return owner.execute(asked).fetchone() is not None


def deposed(turning: Turning) -> int:
    """Another leads from now on; the epoch that was ours."""
    lead = turning.loop.lead
    assert lead is not None
    assert lead.epoch is not None
    epoch, lead.epoch = lead.epoch, None
    return epoch


def test_connections_are_told_by_what_they_do(world: World, turning: Turning, seen: Seen) -> None:
    with turning.world.db.begin() as session:
        session.connection().exec_driver_sql("SELECT 1")
        assert (seen.value("dure_database_connections", state="active") or 0) >= 1
        assert (seen.value("dure_database_connections", state="idle_in_transaction") or 0) >= 1
    assert seen.value("dure_database_connections", state="unknown") is None
    with turning.world.db.snapshot() as session:
        role = session.connection().exec_driver_sql("SELECT current_user").scalar_one()
    assert role == "dure_app", "only the look itself was not"


def _name(table: str) -> str:
    return str(getattr(tables, table).__table__.name)
