"""Ask-to-answer over HTTP: how long a company waits for a promise or a quote, on a calendar that is already well filled."""

import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from bench import booking, fleet, floors
from bench.figures import Timed, times
from bench.fleet import Fleet
from bench.load import Connection, Lane, drive
from bench.results import Result, Row
from bench.stack import Stack, stack
from dure import wire
from scheduler.clock import DatabaseClock
from scheduler.store.db import Database

LEASES = "/v1/leases"
QUOTES = "/v1/leases?dry_run=true"
CLIENTS = (1, 8)
FLOOR_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """A running API with its fleet; `codes` counts what the asks were answered."""

    server: str
    database_url: str
    made: Fleet
    now: float
    seconds: float
    codes: Counter[str] = field(default_factory=Counter[str])

    def connections(self, clients: int) -> list[Connection]:
        """Each a company of its own."""
        return [Connection(self.server, token) for token in list(self.made.companies.values())[:clients]]


def measure(*, gpus: int, seconds: float) -> Result:
    """`seconds` for each line; filling the calendar comes before."""
    with stack() as ground:
        made, booked, now = _prepared(ground, gpus)
        with ground.process("api") as server:
            bench = _Bench(server=server, database_url=ground.database_url, made=made, now=now, seconds=seconds)
            first_ms = _first(bench)
            rows = [row for clients in CLIENTS for row in _rows(bench, clients)]
        notes = {"first_quote_ms": first_ms, **_outcomes(bench)}
        settings = {"gpus": gpus, "nodes": len(made.nodes), "leases_before": booked, "seconds": seconds}
        return Result(measure="ask", settings=settings, machine=ground.machine, rows=rows, notes=notes)


def _prepared(ground: Stack, gpus: int) -> tuple[Fleet, int, float]:
    with closing(Database(ground.database_url, pool_size=1)) as db:
        made = fleet.make(db, gpus=gpus)
        now = DatabaseClock(db).now()
        booked = booking.fill(db, gpus=gpus, now=now, companies=list(made.companies))
    return made, booked, now


def _first(bench: _Bench) -> float:
    """The first look of a new process, which reads the whole calendar."""
    connection = bench.connections(1)[0]
    body = _encoded(next(booking.short(0, bench.now)))
    began = time.perf_counter()
    connection.post(QUOTES, body, status=200)
    return (time.perf_counter() - began) * 1000


def _rows(bench: _Bench, clients: int) -> Iterator[Row]:
    healthz = floors.healthz(bench.server, clients=clients, seconds=FLOOR_S)
    insert = floors.insert(bench.database_url, clients=clients, seconds=FLOOR_S)
    asks = [booking.short(100 + clients * 10 + k, bench.now) for k in range(clients)]
    waits = [booking.large(200 + k, bench.now, gpus=bench.made.gpus) for k in range(clients)]
    connections = bench.connections(clients)
    lanes: dict[str, list[Lane]] = {
        "promise": [_promises(bench, *pair) for pair in zip(connections, asks, strict=True)],
        "quote": [_quotes(bench, "quote", *pair) for pair in zip(connections, asks, strict=True)],
        "quote, large gang": [_quotes(bench, "gang", *pair) for pair in zip(connections, waits, strict=True)],
    }
    timed = {"GET /healthz": healthz, "INSERT, COMMIT": insert}
    timed |= {what: drive(lane, seconds=bench.seconds) for what, lane in lanes.items()}
    return (_row(what, clients, found, healthz, insert) for what, found in timed.items())


def _row(what: str, clients: int, found: Timed, healthz: Timed, insert: Timed) -> Row:
    return {
        "what": what,
        "clients": clients,
        "x healthz p50": times(found.p50_ms, healthz.p50_ms),
        "x insert p50": times(found.p50_ms, insert.p50_ms),
        "p50 ms": found.p50_ms,
        "p99 ms": found.p99_ms,
        "a second": found.rate,
    }


def _promises(bench: _Bench, connection: Connection, asks: Iterator[wire.Ask]) -> Lane:
    for ask in asks:
        body, headers = _encoded(ask), {"Idempotency-Key": uuid.uuid4().hex}
        yield lambda body=body, headers=headers: _count(
            bench, "promise", connection.post(LEASES, body, status=201, headers=headers)
        )


def _quotes(bench: _Bench, what: str, connection: Connection, asks: Iterator[wire.Ask]) -> Lane:
    for ask in asks:
        body = _encoded(ask)
        yield lambda body=body: _count(bench, what, connection.post(QUOTES, body, status=200))


def _count(bench: _Bench, what: str, answer: bytes) -> None:
    bench.codes[f"{what} {json.loads(answer)['decision']['code']}"] += 1


def _outcomes(bench: _Bench) -> dict[str, int]:
    """How many of which decision, so that one sees how many asks had to wait."""
    return dict(sorted(bench.codes.items()))


def _encoded(ask: wire.Ask) -> bytes:
    return ask.model_dump_json(exclude_none=True).encode()
