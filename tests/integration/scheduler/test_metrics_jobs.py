"""What the leader reads seldom for its metrics: how large the database is, and whether the ledger adds up."""

import pytest
from prometheus_client import CollectorRegistry

from scheduler import jobs
from scheduler.metrics import FleetCollector, Measured
from scheduler.store import tables
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
        self._turning = turning

    def look(self, now: float) -> tuple[bool, bool]:
        world, loop = self._turning.world, self._turning.loop
        return (
            jobs.measure_database(world.db, loop, self.measured, now),
            jobs.verify_ledger(world.db, loop, self.measured, now, every_s=900),
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
    assert told == {_name(table) for table in tables.__all__} | {"alembic_version"}
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
    assert turning.loop.lead is not None
    turning.loop.lead.epoch = None
    assert seen.look(T0 + 1000) == (False, False)
    turning.loop.lead.epoch = 1
    assert seen.value("dure_ledger_faults") is None
    assert seen.value("dure_database_size_bytes") is None
    assert seen.look(T0 + 1001) == (True, True), "what it measured before is long ago"


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
