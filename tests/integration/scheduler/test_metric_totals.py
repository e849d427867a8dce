"""What metrics tell of all that ever was is the sum of it, to the second and the lease, and never falls, whoever leads and however often."""

from collections import Counter
from contextlib import closing
from datetime import UTC, datetime

import psycopg
import pytest
from alembic import command
from hypothesis import HealthCheck, given, settings
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlmodel import select

from scheduler import days
from scheduler.metrics import FleetCollector
from scheduler.store import counting, fleet, metric_totals, migrate, programme, usage
from scheduler.store.db import Database
from scheduler.store.metric_totals import Told
from scheduler.store.tables import Lease, LeasesOver
from scheduler.store.times import to_wire
from tests import databases
from tests.effort import examples
from tests.integration.scheduler.conftest import ADMIN, T0, World
from tests.integration.scheduler.test_kept_use import COUNTED_S
from tests.integration.scheduler.test_lease_days import STEPS, count, in_zone, play
from tests.integration.scheduler.test_metrics import tell
from tests.integration.scheduler.test_migrations import OLD
from tests.servers import Server

OVER = ("refused", "cancelled", "expired", "ended")
ACME = {"company": "acme", "pool": "h100"}


def _told(world: World, *, now: float) -> Told:
    tell(world, now=now)
    with world.db.snapshot() as session:
        return metric_totals.told(session)


def _whole(world: World, *, now: float) -> Told:
    """The same added up from every lease that there ever was."""
    with world.db.snapshot() as session:
        until = to_wire(days.midnights(now, programme.zone(session))[2])
        began = datetime.fromtimestamp(0, UTC)
        rows = usage.show(session, actor=ADMIN, company=None, since=began, until=until, now=now).rows
    gpu_seconds = {
        (row.company, row.pool, kind): value
        for row in rows
        for kind, value in (
            ("leased", row.leased_gpu_seconds),
            ("busy", row.busy_gpu_seconds),
            ("idle", row.idle_gpu_seconds),
            ("lost", row.lost_gpu_seconds),
        )
        if value is not None
    }
    return Told(
        gpu_seconds, {(row.company, row.pool): row.energy_joules for row in rows if row.energy_joules is not None}
    )


def _over(world: World) -> tuple[dict[str, int], dict[str, int]]:
    """By what is kept, and counted one by one."""
    with world.db.snapshot() as session:
        states = Counter(session.exec(select(Lease.state)).all())
        kept = {state: leases for (_, state), leases in metric_totals.over(session).items()}
    return kept, {state: states[state] for state in OVER if states[state]}


def _fold(world: World) -> None:
    with world.db.begin() as session:
        metric_totals.fold(session)


def _rows(world: World) -> int:
    with world.db.snapshot() as session:
        return len(session.exec(select(LeasesOver)).all())


@pytest.mark.timeout(400)
@settings(max_examples=examples(3), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS)
def test_whatever_happened_what_is_told_is_the_sum_of_all_leases(
    embedded: Server, steps: list[tuple[str, int, int]]
) -> None:
    with embedded.database() as url, databases.opened(url) as db:
        world = in_zone(World(db).found())
        now = play(world, steps)
        assert _told(world, now=now) == (before := _whole(world, now=now))
        while count(world, now=now) == counting.AT_ONCE:
            pass
        assert _told(world, now=now) == before, "of leases some of which are counted"
        count(world, now=now + COUNTED_S)
        assert _told(world, now=now + COUNTED_S) == before == _whole(world, now=now + COUNTED_S)
        with world.db.begin() as session:
            counting.forget(session, now=now + 2 * (COUNTED_S + counting.KEPT_S))
        assert _told(world, now=now + COUNTED_S) == before, "what agents said of them is gone"
        kept, counted = _over(world)
        assert kept == counted


def test_leases_that_are_counted_just_over_and_running_are_in_it_once(world: World) -> None:
    world.ask(2, duration_s=100)
    world.turn(T0)
    world.turn(T0 + 100)
    late = T0 + 100 + counting.LATEST_S
    world.ask(4, now=late, duration_s=1000)
    world.ask(8, now=late, who="globex", duration_s=9000)
    world.turn(late)
    assert count(world, now=late + 1) == 1
    world.turn(late + 1000)
    told = _told(world, now=late + 2000)
    assert told == _whole(world, now=late + 2000)
    assert told.gpu_seconds["acme", "h100", "leased"] == 2 * 100 + 4 * 1000
    assert told.gpu_seconds["globex", "h100", "leased"] == 8 * 2000
    assert told.gpu_seconds["acme", "h100", "busy"] == 0


def test_how_many_leases_are_over_is_known_of_every_end_and_after_they_are_folded(world: World) -> None:
    world.ask(17)
    cancelled = world.ask(8, now=T0, start=to_wire(T0 + 50).isoformat())
    world.cancel(cancelled, now=T0 + 1)
    released = world.ask(16, now=T0 + 2, duration_s=1000)
    world.turn(T0 + 2)
    world.ask(16, now=T0 + 3, queue=True, start=to_wire(T0 + 10).isoformat(), start_by=to_wire(T0 + 20).isoformat())
    world.turn(T0 + 21)
    world.release(released, now=T0 + 30)
    world.turn(T0 + 31)
    kept, counted = _over(world)
    assert kept == counted == dict.fromkeys(OVER, 1)
    world.ask(17, now=T0 + 40)
    assert _rows(world) == 5
    _fold(world)
    assert _rows(world) == 4
    assert _over(world)[0] == {**kept, "refused": 2}


def test_what_is_over_while_it_is_folded_and_who_folds_at_once_count_once(world: World) -> None:
    world.ask(17)
    world.ask(17)
    with world.db.begin() as first:
        metric_totals.fold(first)
        world.ask(17)
        assert _over(world)[0] == {"refused": 3}
    _fold(world)
    _fold(world)
    assert (_over(world)[0], _rows(world)) == ({"refused": 3}, 1)


def test_what_is_told_does_not_fall_whoever_leads_next(world: World) -> None:
    lease = world.ask(8)
    world.turn(T0)
    node = world.lease(lease).placement[0].node

    def scraped(kind: str) -> float | None:
        """By a process that has just begun to lead, before its jobs did anything."""
        registry = CollectorRegistry()
        registry.register(FleetCollector(world.db, lambda: T0 + 50, lambda: True))
        return registry.get_sample_value("dure_lease_gpu_seconds_total", {**ACME, "kind": kind})

    assert scraped("leased") is None, "nobody knows yet"
    tell(world, now=T0 + 50)
    assert (scraped("leased"), scraped("lost")) == (400, 0)
    with world.db.begin() as session:
        fleet.set_silent(session, node, now=T0 + 50)
    assert _whole(world, now=T0 + 50).gpu_seconds["acme", "h100", "leased"] == 0
    tell(world, now=T0 + 50)
    assert (scraped("leased"), scraped("lost")) == (400, 400)
    tell(world, now=T0 + 40)
    assert (scraped("leased"), scraped("lost")) == (400, 400)


WROTE = """
INSERT INTO lease (id, company, pool, gpus, total_gpus, duration_s, asked_s, asked_size, tier, purpose, wants_queue, notice_s,
    state, asked_at, promised_start, starts_at, ends_at, stops_at, started_at, ended_at, end_cause, decision, generation)
    SELECT %(id)s, company, pool, 1, 1, 100, 100, 1, tier, purpose, true, 900, 'ended', starts_at, starts_at, starts_at,
    starts_at + interval '100 s', starts_at + interval '100 s', starts_at, starts_at + interval '100 s', 'expired', decision, 5
    FROM lease WHERE id = 'lea_1';
"""
COUNTED = """
INSERT INTO lease_day (lease, company, pool, day, is_first, leased, lost, busy, idle, energy_joules, memory_s, memory_mebibyte_s)
    VALUES (%(id)s, 'acme', 'h100', '2027-01-15', true, 90, 10, 50, 40, %(joules)s, 0, 0)
"""


def test_what_was_over_before_it_was_added_up_is_added_once_also_where_others_write_meanwhile(
    any_empty_url: str,
) -> None:
    config = migrate.config(any_empty_url)
    command.upgrade(config, "20261124_renew")
    with psycopg.connect(any_empty_url, autocommit=True) as connection:
        connection.execute(OLD.encode())
        command.upgrade(config, "20261130_parts")
        for id_, joules in (("lea_2", None), ("lea_3", 7)):
            connection.execute(WROTE, {"id": id_})
            connection.execute(COUNTED, {"id": id_, "joules": joules})
        command.upgrade(config, "20261130_totals")
        connection.execute(WROTE, {"id": "lea_4"})
        connection.execute(COUNTED, {"id": "lea_4", "joules": 5})
        migrate.upgrade(any_empty_url)
    with closing(Database(any_empty_url)) as db, db.snapshot() as session:
        assert metric_totals.over(session) == {("h100", "ended"): 3}
        counted = session.connection().execute(text("SELECT kind, counted FROM use_total"))
        assert {row.kind: row.counted for row in counted} == {
            "leased": 270,
            "lost": 30,
            "busy": 150,
            "idle": 120,
            "joules": 12,
        }
        assert metric_totals.told(session) == ({}, {}), "what runs is not in it yet"
