"""A database in which so many days were: one lived, the others copied from it, in parts of months as they would be."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from bench import fleet, history
from bench.fleet import POOL
from bench.kept import beside
from bench.kept.copies import FIRST, Copies
from bench.kept.day import DAY_S, Day, arrivals
from bench.load import took
from bench.philly.trace import CompanyJob
from bench.results import Row
from scheduler.clock import DatabaseClock
from scheduler.store import counting
from scheduler.store.db import Database

_PARTS = """
    SELECT part_make(parent, month) FROM unnest(ARRAY['decision', 'pool_change', 'node_event']) parent,
        generate_series(date_trunc('month', to_timestamp(%s)), now() + interval '5 months', interval '1 month') month
"""
_AGED = "UPDATE pool SET created_at = to_timestamp(%s), generation = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """`began` is the first instant of the day that was lived, `end` that at which all of it was over."""

    began: int
    end: int
    notes: Row


def make(db: Database, *, gpus: int, companies: int, days: int, jobs: Sequence[CompanyJob]) -> Lived:
    """Lives the last of `days`, writes what reports are made of as the job does, and copies it to the days before."""
    began = -(-int(DatabaseClock(db).now()) // 60) * 60 + 60
    _part(db.url, began - days * DAY_S)
    made = fleet.make(db, gpus=gpus, companies=companies)
    _age(db.url, began - days * DAY_S)
    day, asks = Day(db, made, began=began), arrivals(jobs, list(made.companies), gpus=gpus)
    end, lived_s = took(lambda: day.live(asks))
    counted_s = took(lambda: _count(db, end + counting.SETTLES_S + 1))[1]
    history.vacuum(db.url)
    copied_s = took(lambda: _copy(db.url, end, days))[1]
    notes: Row = {
        "asks a day": len(asks),
        "lived in s": lived_s,
        "a day's leases counted in s": counted_s,
        "copied in s": copied_s,
    }
    return Lived(began=began, end=end, notes=notes)


def _part(url: str, began: int) -> None:
    """A part for every month since the pool began, in place of the first one, which is empty yet."""
    with psycopg.connect(url, autocommit=True) as owner:
        for (part,) in owner.execute("SELECT part FROM parts() WHERE begins IS NULL").fetchall():
            owner.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(part)))
        owner.execute(_PARTS, [began - 31 * DAY_S])


def _age(url: str, began: int) -> None:
    """A pool and companies that began then."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(_AGED, [began, FIRST])
        owner.execute("UPDATE company SET created_at = to_timestamp(%s)", [began])


def _count(db: Database, now: int) -> None:
    left = True
    while left:
        with db.begin() as session:
            left = counting.count(session, now=now) == counting.AT_ONCE


def _copy(url: str, end: int, days: int) -> None:
    with psycopg.connect(url) as owner:
        owner.execute("SET timezone = 'UTC'")
        row = owner.execute("SELECT generation FROM pool WHERE name = %s", [POOL]).fetchone()
        assert row is not None
        Copies(owner, span=row[0] - FIRST + 1).make(days - 1)
        beside.fill(owner, now=end, days=days)
    history.vacuum(url)
