"""What a year takes on disk, table by table, with retention running; how long that takes, and what still answers after it."""

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial

import psycopg
from psycopg import sql
from sqlalchemy import text

from bench import data
from bench.figures import median, times
from bench.fleet import ADMIN, POOL
from bench.kept import ground
from bench.kept.day import DAY_S
from bench.kept.ground import Lived
from bench.load import took
from bench.philly import trace
from bench.results import Result, Row
from bench.stack import stack
from dure import wire
from scheduler import replays
from scheduler.actor import Actor
from scheduler.core import codec
from scheduler.core.model import CompanyId, Instant
from scheduler.core.shares import Use, Uses
from scheduler.service import Service
from scheduler.store import counting, parts, pool_books, summaries, sums
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.store.summaries import Wanted

FLEET, COMPANIES, YEAR = 10_000, 1_000, 365
RUNS = 5
COUNTED_EVERY_S = 60
"""As `scheduler.jobs` has it."""
GIB = 1 << 30

_SIZES = """
    SELECT coalesce(i.inhparent::regclass::text, c.relname) AS name, sum(greatest(c.reltuples, 0))::bigint,
           sum(pg_table_size(c.oid))::bigint, sum(pg_indexes_size(c.oid))::bigint
    FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
    GROUP BY 1 ORDER BY sum(pg_total_relation_size(c.oid)) DESC
"""
_DROPPED = ("node_event", "pool_change", "decision")


def measure(*, gpus: int, days: int, runs: int = RUNS) -> Iterator[Result]:
    """`days` of a pool of `gpus` GPUs, with a company to every ten. Raises NoData, BadTrace."""
    jobs = trace.read(data.find("philly") / trace.TRACE).jobs
    companies = max(1, gpus * COMPANIES // FLEET)
    settings: Row = {"gpus": gpus, "companies": companies, "days": days}
    with stack() as found, closing(Database(found.database_url, pool_size=2)) as db:
        lived = ground.make(db, gpus=gpus, companies=companies, days=days, jobs=jobs)
        sizes = list(_sizes(found.database_url, gpus, days))
        notes = {**lived.notes, "GiB a year of use counted every minute": uses_a_year(db) / GIB}
        yield Result(measure="kept", settings=settings, machine=found.machine, rows=sizes, notes=notes)
        answers = [*_answers(db, lived, runs), *_jobs(db, lived.end)]
        yield Result(measure="kept-answers", settings=settings, machine=found.machine, rows=answers)


def _sizes(url: str, gpus: int, days: int) -> Iterator[Row]:
    """Of each table with a percent of the whole; what it comes to for a year of the whole fleet, in proportion."""
    with psycopg.connect(url) as owner:
        rows = owner.execute(_SIZES).fetchall()
    whole = sum(table + indexes for _, _, table, indexes in rows)
    more = FLEET / gpus * YEAR / days
    shown = [row for row in rows if row[2] + row[3] > whole // 1000]
    for name, count, table, indexes in [*shown, ("all", sum(row[1] for row in rows), *_both(rows))]:
        yield {
            "table": name,
            "rows": count,
            "bytes a row": round((table + indexes) / max(1, count)),
            "MiB": (table + indexes) / (1 << 20),
            "of it indexes": indexes / (1 << 20),
            "GiB a year at 10,000 GPUs": (table + indexes) * more / GIB,
        }


def uses_a_year(db: Database) -> int:
    """Bytes that the log grows by in a pool where shares count and a thousand companies use it, beside its leases."""
    chance = random.Random(1)
    names = sorted(f"startup-{number}" for number in range(COMPANIES))
    used = [
        Use(company=CompanyId(name), used=chance.randrange(10**7), entitled=chance.randrange(10**7)) for name in names
    ]
    with db.begin() as session:
        connection = session.connection()
        connection.execute(text("CREATE TEMP TABLE counted (value jsonb) ON COMMIT DROP"))
        value = codec.text(codec.encode(Uses(at=Instant(0), of=tuple(used))))
        connection.execute(text("INSERT INTO counted VALUES (CAST(:value AS jsonb))"), {"value": value})
        each = connection.execute(text("SELECT pg_column_size(value) FROM counted")).scalar_one()
    return each * YEAR * DAY_S // COUNTED_EVERY_S


def _both(rows: list[tuple[str, int, int, int]]) -> tuple[int, int]:
    return sum(row[2] for row in rows), sum(row[3] for row in rows)


def _answers(db: Database, lived: Lived, runs: int) -> Iterator[Row]:
    """Beside the same over a day, or from what was written down."""
    end, day = lived.end, timedelta(days=1)
    first = datetime.fromtimestamp(lived.began, UTC).date()
    last = datetime.fromtimestamp(end, UTC).date() + day
    one_day = _ms(lambda: _report(db, first, first + day, end), runs)
    whole = _ms(lambda: _report(db, last - YEAR * day, last, end), runs)
    yield _row("a report by company and pool, a day", one_day, one_day)
    yield _row("a report by company and pool, all of it", whole, one_day)
    newest = _newest(db)
    bare = _ms(lambda: _replay(db, newest), 1)
    with db.begin() as session:
        write = took(partial(pool_books.write, session, POOL, now=end))[1] * 1000
    again = _asked(db, end + 60)
    booked = _ms(lambda: _replay(db, again), runs)
    yield _row("a decision made again, from a book before it", booked, booked)
    yield _row("a decision made again, from the whole log", bare, booked)
    yield _row("writing a book, from the whole log", write, booked)
    yield _row("ledger verify", _ms(lambda: _verify(db), 1), one_day)


def _jobs(db: Database, end: int) -> Iterator[Row]:
    """What retention does in a day: the oldest day of what agents said, and an old month of each table in parts."""
    with db.begin() as session:
        removed, seconds = took(partial(counting.forget, session, now=end + counting.SETTLES_S))
    yield _row(f"forgetting what agents said, {removed} rows", seconds * 1000, seconds * 1000)
    with psycopg.connect(db.url, autocommit=True) as owner:
        for parent in parts.PARENTS:
            row = owner.execute(
                "SELECT part FROM parts() WHERE parent = %s ORDER BY ends OFFSET 2 LIMIT 1", [parent]
            ).fetchone()
            assert row is not None
            size = owner.execute("SELECT pg_total_relation_size(%s)", [row[0]]).fetchone()
            assert size is not None
            statement = sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(
                sql.Identifier(parent), sql.Identifier(row[0])
            )
            ms = took(lambda statement=statement: owner.execute(statement))[1] * 1000
            name = sql.Identifier(row[0])
            ms += took(lambda name=name: owner.execute(sql.SQL("DROP TABLE {}").format(name)))[1] * 1000
            yield _row(f"removing a month of {parent}, {size[0] >> 20} MiB", ms, ms)


def _row(what: str, ms: float, beside: float) -> Row:
    return {"what": what, "ms": ms, "x": times(ms, beside)}


def _ms(call: Callable[[], object], runs: int) -> float:
    return median([took(call)[1] * 1000 for _ in range(runs)])


def _report(db: Database, since: date, until: date, now: int) -> None:
    wanted = Wanted(by=("company", "pool"), since=since, until=until)
    with db.snapshot() as session:
        found = summaries.report(session, wanted, actor=ADMIN, now=now, after=None, limit=10_000)
    assert found.rows


def _newest(db: Database) -> str:
    """The last decision of the day that was lived that keeps its inputs."""
    with db.snapshot() as session:
        found = session.connection().execute(
            text("SELECT id FROM decision WHERE inputs IS NOT NULL ORDER BY id DESC LIMIT 1")
        )
        return found.scalar_one()


def _asked(db: Database, now: int) -> str:
    """A decision that is made now."""
    actor = Actor(role=wire.Role.COMPANY, token="bench", company="company-0")
    ask = wire.Ask(pool=POOL, shape=wire.Shape(gpus=1), duration_s=3600)
    with db.begin() as session:
        found = Service(Books(), lambda: float(now)).ask(session, ask, actor=actor, now=now)
    assert found.decision.id is not None
    return found.decision.id


def _replay(db: Database, decision: str) -> wire.Replayed:
    with db.long_snapshot(None) as session:
        return replays.replay(session, decision, actor=ADMIN)


def _verify(db: Database) -> None:
    with db.long_snapshot(None) as session:
        found = sums.verify(session, company=None, pool=None, actor=ADMIN)
    assert not found.faults, found.faults[0]
