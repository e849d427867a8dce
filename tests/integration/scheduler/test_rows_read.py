"""What is looked at again and again reads what there is now, and no row more for all that ever was."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text
from sqlmodel import Session

from dure import wire
from scheduler.core.model import Instant
from scheduler.store import (
    books,
    calendars,
    checked_fleet,
    checked_house,
    counting,
    deliveries,
    metric_totals,
    pools,
    snapshot,
    violation_counts,
)
from scheduler.store.db import Database
from tests.integration.scheduler.conftest import ADMIN, T0, World
from tests.integration.scheduler.test_lease_days import count

LATE = T0 + 100 + counting.LATEST_S
DAY_S = 86_400

READ = text(
    """
    SELECT sum(pg_stat_get_xact_tuples_returned(c.oid))::bigint
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'
    """
)
"""Rows that scans of tables and entries that scans of indexes gave in this transaction."""

LEASES = f"""
INSERT INTO lease SELECT (jsonb_populate_record(NULL::lease, to_jsonb(l) || jsonb_build_object('id', 'lea_' || %(batch)s || n, 'state', s.state,
    'ended_at', CASE s.state WHEN 'ended' THEN l.ended_at END, 'end_cause', CASE s.state WHEN 'ended' THEN l.end_cause END))).*
FROM lease l, generate_series(1, 2000) n, LATERAL (SELECT CASE n %% 4 WHEN 0 THEN 'refused' ELSE 'ended' END AS state) s
WHERE l.id = %(lease)s;

INSERT INTO allocation SELECT (jsonb_populate_record(NULL::allocation, to_jsonb(a) || jsonb_build_object('id', 'alo_' || l.id, 'lease', l.id))).*
FROM lease l, LATERAL (SELECT * FROM allocation WHERE lease = %(lease)s LIMIT 1) a WHERE starts_with(l.id, 'lea_' || %(batch)s);

INSERT INTO lease_day SELECT (jsonb_populate_record(NULL::lease_day, to_jsonb(d) || jsonb_build_object('lease', l.id))).*
FROM lease l, LATERAL (SELECT * FROM lease_day WHERE lease = %(lease)s) d
WHERE l.state = 'ended' AND starts_with(l.id, 'lea_' || %(batch)s);

INSERT INTO violation (id, node, gpu, kind, who, pool, began_at, seen_at, ended_at, done, found_by, evidence)
SELECT 'vio_' || %(batch)s || n, 'n1', 'GPU-n1-0', 'process', n, 'h100', to_timestamp({T0}), to_timestamp({T0}), to_timestamp({T0}),
    'observed', 'agent', '{{}}' FROM generate_series(1, 2000) n;

INSERT INTO drain (id, node, starts_at, ends_at, created_at)
SELECT 'dra_' || %(batch)s || n, 'n1', to_timestamp({T0}), to_timestamp({T0} + 1), to_timestamp({T0}) FROM generate_series(1, 500) n;

INSERT INTO account (company, pool, period, period_ends, target, void, seq, granted, available, committed, spent, expired)
SELECT 'globex', 'h100', to_timestamp({T0} - %(batch)s * 5000 - n * 2), to_timestamp({T0} - %(batch)s * 5000 - n * 2 + 1),
    1, false, 1, 1, 0, 0, 1, 0 FROM generate_series(1, 2000) n;
"""
"""Two thousand more of a lease that is over, as many violations and periods of a budget, and drains."""

LOST = """
INSERT INTO allocation_loss (allocation, since, until, wrong)
SELECT 'alo_' || id, started_at, started_at + interval '1 s', 'gpu_gone' FROM lease WHERE starts_with(id, 'lea_' || %(batch)s);
"""

CALENDAR = (datetime.fromtimestamp(LATE, UTC), datetime.fromtimestamp(LATE, UTC) + timedelta(days=7))

LOOKS: dict[str, Callable[[Session], object]] = {
    "a scrape": lambda session: snapshot.read(session, now=LATE + 50),
    "a scrape of webhooks": lambda session: deliveries.standing(session, now=LATE + 50),
    "what was used": lambda session: metric_totals.tell(session, now=LATE + 50),
    "the checkup's fleet": lambda session: checked_fleet.fleet(session, now=LATE + 50),
    "the checkup's house": lambda session: (checked_house.heard(session), checked_house.ledger(session)),
    "a pool's book": lambda session: books.fresh(session, "h100", Instant(LATE + 50)),
    "pools": lambda session: pools.page(session, after=None, limit=10, now=LATE + 50),
    "a calendar": lambda session: calendars.show(
        session, "h100", since=CALENDAR[0], until=CALENDAR[1], actor=ADMIN, now=LATE
    ),
}


def _add(db: Database, lease: wire.Lease, batch: int) -> None:
    """History, by the owner's hands: what is lost is only written while it is."""
    of = {"batch": batch, "lease": lease.id}
    with psycopg.connect(db.url) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute(LEASES.encode(), of)
        cursor.execute("ALTER TABLE allocation_loss DISABLE TRIGGER USER")
        cursor.execute(LOST.encode(), of)
        cursor.execute("ALTER TABLE allocation_loss ENABLE TRIGGER USER")
    with db.begin() as session:
        metric_totals.fold(session)
        metric_totals.tell(session, now=LATE)
        violation_counts.forget(session, now=LATE)
    with psycopg.connect(db.url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _read(db: Database, look: Callable[[Session], object]) -> int:
    with db.begin() as session:
        before = session.connection().execute(READ).scalar_one()
        look(session)
        return session.connection().execute(READ).scalar_one() - before


def _old(world: World) -> wire.Lease:
    """One that was over and counted long ago, while others run and wait."""
    lease = world.ask(2, duration_s=100)
    world.turn(T0)
    world.turn(T0 + 100)
    assert count(world, now=LATE) == 1
    world.clean(now=LATE)
    world.ask(8, now=LATE, duration_s=9000)
    world.turn(LATE)
    world.ask(8, now=LATE, who="globex", duration_s=8000)
    return lease


@pytest.fixture
def grown(world: World) -> tuple[dict[str, int], dict[str, int]]:
    """Rows that each look reads with some history, and with three times as much."""
    lease, found = _old(world), list[dict[str, int]]()
    for batches in ((1,), (2, 3)):
        for batch in batches:
            _add(world.db, lease, batch)
        found.append({what: _read(world.db, look) for what, look in LOOKS.items()})
    return found[0], found[1]


def test_no_look_reads_more_rows_for_more_history(grown: tuple[dict[str, int], dict[str, int]]) -> None:
    little, much = grown
    assert {what: much[what] - little[what] for what in LOOKS} == dict.fromkeys(LOOKS, 0), (little, much)
