"""Reports over a year, over HTTP: how long one takes with a hundred thousand leases behind it, and what counting them took."""

import json
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

from bench import fleet, floors, history
from bench.figures import Timed, times
from bench.fleet import ADMIN
from bench.load import Connection, finish
from bench.results import Result, Row
from bench.stack import Stack, stack
from dure import wire
from scheduler.clock import DatabaseClock
from scheduler.store import counting, tokens
from scheduler.store.db import Database
from scheduler.store.snapshot import read

COMPANIES = 1000
GPUS = 512
RUNNING = 200
DAYS = 365
FLOOR_S = 2.0

CUTS = {
    "the whole": "by=pool",
    "by company and pool": "by=company&by=pool",
    "by group": "by=group",
    "by day": "by=day",
    "by day, of one company": "by=day&company=startup-0",
    "by company and day, 10,000 rows": "by=company&by=day&limit=10000",
    "by lease, 1,000 rows": "by=lease",
    "by lease, 10,000 rows": "by=lease&limit=10000",
}


def measure(*, leases: int, runs: int) -> Result:
    """Each report `runs` times, one after the other."""
    with stack() as ground:
        token, counted_s, scrape_s = _history(ground, leases)
        with ground.process("api") as server:
            healthz = floors.healthz(server, clients=1, seconds=FLOOR_S)
            rows = [_row(server, token, what, cut, healthz, runs) for what, cut in CUTS.items()]
        notes = {"healthz_ms": healthz.p50_ms, "counting_s": counted_s, "a scrape reads it in s": scrape_s}
        settings = {"leases": leases, "running": RUNNING, "companies": COMPANIES, "days": DAYS, "runs": runs}
        return Result(measure="year", settings=settings, machine=ground.machine, rows=rows, notes=notes)


def _history(ground: Stack, leases: int) -> tuple[str, float, float]:
    """A token, how long counting all of them took, and how long a scrape takes to read the fleet with it."""
    with closing(Database(ground.database_url, pool_size=1)) as db:
        fleet.make(db, gpus=GPUS)
        now = DatabaseClock(db).now()
        history.join(ground.database_url, companies=COMPANIES, began=history.began_at(leases, DAYS, int(now)))
        history.make(ground.database_url, leases=leases, running=RUNNING, companies=COMPANIES, days=DAYS, now=int(now))
        began, left = time.perf_counter(), True
        while left:
            with db.begin() as session:
                left = counting.count(session, now=now) == counting.AT_ONCE
        counted = time.perf_counter()
        with db.snapshot() as session:
            read(session, now=now)
        scraped = time.perf_counter()
        with db.begin() as session:
            secret = tokens.issue(session, wire.TokenIssue(role=wire.Role.AUDITOR), actor=ADMIN, now=now).secret
        return secret, counted - began, scraped - counted


def _row(server: str, token: str, what: str, cut: str, healthz: Timed, runs: int) -> Row:
    connection = Connection(server, token)
    today = datetime.now(UTC).date()
    path = f"/v1/reports?{cut}&since={today - timedelta(days=DAYS)}&until={today + timedelta(days=1)}"
    answer = json.loads(connection.get(path))
    timed = finish([(lambda: connection.get(path) for _ in range(runs))])
    connection.close()
    return {
        "report": what,
        "rows": len(answer["rows"]),
        "leases": answer["total"]["leases"],
        "x healthz p50": times(timed.p50_ms, healthz.p50_ms),
        "p50 ms": timed.p50_ms,
        "p99 ms": timed.p99_ms,
    }
