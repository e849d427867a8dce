"""How late leases start and end: many one-GPU leases through the real scheduler, asked for and reported over HTTP.

Two times are shown. `noted` is what the scheduler wrote into the lease's events, taken as its transaction began;
`committed` is when PostgreSQL committed it, by PostgreSQL's own clock: from then on everybody sees it.
"""

import math
import random
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from threading import Event

import psycopg

from bench import fleet
from bench.figures import percentile, times
from bench.fleet import INTERVAL_S, POOL, Fleet
from bench.load import Connection, threads
from bench.reporting import Reporting, reporting
from bench.results import Result, Row
from bench.stack import stack
from dure import wire
from scheduler.clock import DatabaseClock
from scheduler.store.db import Database

SEED = 3
SPARE = 1.25
"""GPUs for each lease."""
SHORTEST_S, LONGEST_S = 20, 40
CLIENTS = 8
SECONDS_AN_ASK = 0.03
READY_S = 15
PATIENCE_S = 60
"""How long after the last end we wait for all of them."""
A_SECOND_MS = 1000.0

_EVENTS = """
    SELECT e.event, (e.detail->>'late_ms')::float8,
        extract(epoch FROM pg_xact_commit_timestamp(e.xmin) - CASE e.event WHEN 'active' THEN l.promised_start
            ELSE l.stops_at END)::float8 * 1000
    FROM lease_event e JOIN lease l ON l.id = e.lease WHERE e.event IN ('active', 'ended')
"""
_ENDED = "SELECT count(*) FROM lease WHERE state = 'ended'"
_DELAYED = "SELECT count(*) FROM lease_event WHERE event = 'start_delayed'"
_QUARANTINED = "SELECT count(*) FROM gpu WHERE quarantined"


class NotEnded(Exception):
    """Leases were still running long after their end."""


def measure(*, leases: int, within_s: int) -> Result:
    """So many leases that start within `within_s` seconds of each other."""
    with stack() as ground:
        with closing(Database(ground.database_url, pool_size=1)) as db:
            made = fleet.make(db, gpus=math.ceil(leases * SPARE), interval_s=INTERVAL_S)
            clock = DatabaseClock(db)
        with ground.process("api") as server, reporting(server, made.nodes) as nodes, ground.process("scheduler"):
            first = math.ceil(clock.now()) + READY_S + math.ceil(leases * SECONDS_AN_ASK)
            _ask_all(server, made, _asks(leases, first, within_s))
            last_s = first + within_s + LONGEST_S - clock.now() + PATIENCE_S
            with psycopg.connect(ground.database_url, autocommit=True) as connection:
                _until_ended(connection, leases, nodes, time.monotonic() + last_s)
                rows, notes = _rows(connection), _notes(connection)
        settings = {"leases": leases, "gpus_in_pool": made.gpus, "within_s": within_s, "report_interval_s": INTERVAL_S}
        return Result(measure="lateness", settings=settings, machine=ground.machine, rows=rows, notes=notes)


def _asks(leases: int, first: int, within_s: int) -> list[wire.Ask]:
    chance = random.Random(SEED)
    starts = sorted(first + chance.randrange(within_s) for _ in range(leases))
    return [
        wire.Ask(
            pool=POOL,
            shape=wire.Shape(gpus=1),
            duration_s=chance.randint(SHORTEST_S, LONGEST_S),
            start=datetime.fromtimestamp(start, UTC),
        )
        for start in starts
    ]


def _ask_all(server: str, made: Fleet, asks: Sequence[wire.Ask]) -> None:
    """The first to start first; each must be promised exactly what it asks for."""
    tokens = list(made.companies.values())
    with threads(CLIENTS) as (pool, stop):
        shares = [pool.submit(_ask_some, server, tokens[k], asks[k::CLIENTS], stop) for k in range(CLIENTS)]
        for share in shares:
            share.result()


def _ask_some(server: str, token: str, asks: Sequence[wire.Ask], stop: Event) -> None:
    with closing(Connection(server, token)) as connection:
        for ask in asks:
            if stop.is_set():
                return
            connection.post("/v1/leases", ask.model_dump_json(exclude_none=True).encode(), status=201)


def _until_ended(connection: psycopg.Connection, leases: int, nodes: Reporting, until: float) -> None:
    while (ended := _number(connection, _ENDED)) < leases:
        nodes.check()
        if time.monotonic() > until:
            raise NotEnded(f"{ended} of {leases} leases ended in time")
        time.sleep(1)


def _rows(connection: psycopg.Connection) -> list[Row]:
    events = connection.execute(_EVENTS).fetchall()
    return [
        _row(what, by, [found[column] for found in events if found[0] == event])
        for event, what in (("active", "start"), ("ended", "end"))
        for column, by in ((1, "noted"), (2, "committed"))
    ]


def _row(what: str, by: str, late_ms: Sequence[float]) -> Row:
    return {
        "what": what,
        "by": by,
        "p99 x a second": times(percentile(late_ms, 99), A_SECOND_MS),
        "p50 ms": percentile(late_ms, 50),
        "p99 ms": percentile(late_ms, 99),
        "max ms": max(late_ms),
        "least ms": min(late_ms),
        "leases": len(late_ms),
        "early": sum(late < 0 for late in late_ms),
    }


def _notes(connection: psycopg.Connection) -> Row:
    """What else would make a lease late or a GPU lost."""
    delayed, quarantined = _number(connection, _DELAYED), _number(connection, _QUARANTINED)
    return {"starts_delayed": delayed, "gpus_quarantined": quarantined}


def _number(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()  # pyright: ignore[reportArgumentType, reportCallIssue]
    return int(row[0]) if row else 0
