"""How long a quote takes over HTTP: an ask with `dry_run`, with every GPU held and the queue full."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import LiteralString

import psycopg

from bench import bare, fleet, machine
from bench.arrivals import Arrivals
from bench.fleet import ADMIN, POOL, Fleet
from bench.gangs import LARGE, Gang, gangs
from bench.lines import DURE, FLOOR, Line, called
from bench.load import Connection
from bench.ours.asking import body, encoded
from bench.stack import Stack, stack
from deploy.local.children import Child
from deploy.local.postgres import tail
from scheduler.clock import DatabaseClock
from scheduler.service import Request, Service
from scheduler.store.books import Books
from scheduler.store.db import Database

SEED = 4
QUOTES = "/v1/leases?dry_run=true"
A_SECOND = 100
LONGEST_S = 300
BATCH = 64


FLOORS = 4
"""So many times as many calls of the floor, which are soon made."""
STARTED_S = 120.0
LOOK_S = 0.5
SETTLED_S = 2.0
"""For the first asks to be answered."""
_DUE = "SELECT count(*) FROM lease WHERE state = 'scheduled' AND starts_at <= clock_timestamp()"


class NotOnTime(Exception):
    """Asks did not arrive, or what was due did not start."""


def ours_quotes(asks: Sequence[Gang], *, gpus: int, count: int) -> Iterator[Line]:
    """`count` quotes a line, after `asks` have filled the nodes and the queue. Raises NotOnTime."""
    quotes, large = [encoded(gang) for gang in gangs(count, seed=SEED)], [encoded(LARGE)] * (count // 2)
    with stack() as ground:
        made = _filled(ground, asks, gpus)
        token = next(iter(made.companies.values()))
        with ground.process("bench.bare") as server:
            floor = quotes * FLOORS
            yield _sent(FLOOR, "POST, pydantic both ways", Connection(server), bare.PATH, floor)
        with ground.process("api") as server, ground.process("scheduler"):
            _until_started(ground)
            connection = Connection(server, token)
            connection.post(QUOTES, quotes[0], status=200)
            yield _sent(DURE, "quote, queue full", connection, QUOTES, quotes)
            yield _sent(DURE, "quote, queue full, 64 x 8 GPUs", connection, QUOTES, large)
            yield _beside_arrivals(ground, server, made, lambda what: _sent(DURE, what, connection, QUOTES, quotes))


def _filled(ground: Stack, asks: Sequence[Gang], gpus: int) -> Fleet:
    with closing(Database(ground.database_url, pool_size=1)) as db:
        made, clock = fleet.make(db, gpus=gpus), DatabaseClock(db)
        service, names = Service(Books(), clock.now), list(made.companies)
        for first in range(0, len(asks), BATCH):
            some = [_as_admin(gang, names[k % len(names)]) for k, gang in enumerate(asks[first : first + BATCH])]
            with db.begin() as session:
                service.ask_all(session, POOL, some, now=clock.now())
    return made


def _as_admin(gang: Gang, company: str) -> Request:
    return Request(body=body(gang).model_copy(update={"company": company}), actor=ADMIN)


def _until_started(ground: Stack) -> None:
    """Until the scheduler has started everything that is due."""
    until = time.monotonic() + STARTED_S
    with psycopg.connect(ground.database_url, autocommit=True) as connection:
        while due := _count(connection, _DUE):
            if time.monotonic() > until:
                raise NotOnTime(f"{due} leases that were due had not started after {STARTED_S:.0f} s")
            time.sleep(LOOK_S)


def _count(connection: psycopg.Connection, query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _sent(who: str, what: str, connection: Connection, path: str, bodies: Sequence[bytes]) -> Line:
    return called(who, what, bodies, call=lambda one: connection.post(path, one, status=200), clients=1)


def _beside_arrivals(ground: Stack, server: str, made: Fleet, measure: Callable[[str], Line]) -> Line:
    """While asks arrive from another process; the line says how many a second were answered. Raises NotOnTime."""
    wanted, log = ground.folder / "arrivals.json", ground.folder / "arrivals.log"
    Arrivals(server=server, tokens=list(made.companies.values()), a_second=A_SECOND, seconds=LONGEST_S).write(wanted)
    command = (sys.executable, "-m", "bench.arrivals", str(wanted))
    sender = Child("arrivals", command, environ=os.environ, folder=machine.TREE, log=log)
    sender.launch()
    try:
        _until_sending(sender)
        found = measure("quote")
    finally:
        sender.stop()
    if sender.exited():
        raise NotOnTime(f"the asks that were to arrive did not:\n{tail(log)}")
    arrived = json.loads(log.read_text().splitlines()[-1])["a_second"]
    return replace(found, what=f"quote, queue full, {arrived:.0f} asks a second arriving")


def _until_sending(sender: Child) -> None:
    until = time.monotonic() + STARTED_S
    while not sender.log.read_text():
        if sender.exited() is not None or time.monotonic() > until:
            raise NotOnTime(f"nothing was sent:\n{tail(sender.log)}")
        time.sleep(LOOK_S)
    time.sleep(SETTLED_S)
