"""Node reports over HTTP: how many a second one API process takes in, and how long a node waits for its answer.

Every node holds a lease on all its GPUs and reports their use, so each report is as large as an 8-GPU node's gets and
each answer names eight allocations.
"""

import gzip
import itertools
import json
from collections.abc import Iterable, Iterator
from contextlib import closing

from bench import fleet, floors
from bench.figures import Timed, times
from bench.fleet import ADMIN, GPUS_PER_NODE, POOL, Fleet, Node, used
from bench.load import Connection, Lane, drive
from bench.results import Result, Row
from bench.stack import Stack, stack
from dure import wire
from scheduler.clock import DatabaseClock
from scheduler.service import Service
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.turns import starts
from scheduler.turns.starts import Leading

NODES = 1250
A_LEASE = 50
"""Nodes of each lease."""
CLIENTS = (1, 8)
FLOOR_S = 2.0
GZIPPED = {"Content-Encoding": "gzip"}


def measure(*, seconds: float) -> Result:
    """`seconds` for each line."""
    with stack() as ground:
        made = leased(ground)
        body = _used(made.nodes[0], 2, [f"alo_{k:020}" for k in range(GPUS_PER_NODE)])
        decode_ms = floors.decode_ms(body)
        with ground.process("api") as server:
            rows = [row for clients in CLIENTS for row in _rows(server, made, clients, seconds, decode_ms)]
        notes = {"report_bytes": len(body), "gzip_bytes": len(_packed(body)), "json_loads_ms": decode_ms}
        settings = {"nodes": len(made.nodes), "gpus_per_node": GPUS_PER_NODE, "seconds": seconds}
        return Result(measure="reports", settings=settings, machine=ground.machine, rows=rows, notes=notes)


def leased(ground: Stack) -> Fleet:
    """A fleet of which every GPU is in a lease that runs."""
    with closing(Database(ground.database_url, pool_size=1)) as db:
        made = fleet.make(db, gpus=NODES * GPUS_PER_NODE)
        clock, service = DatabaseClock(db), Service(Books())
        ask = wire.Ask(
            pool=POOL,
            company=next(iter(made.companies)),
            shape=wire.Shape(nodes=A_LEASE, gpus_per_node=GPUS_PER_NODE),
            duration_s=24 * 3600,
        )
        with db.begin() as session:
            now = clock.now()
            for _ in range(NODES // A_LEASE):
                service.ask(session, ask, actor=ADMIN, now=now)
            # A second later, for a lease starts at a whole one.
            starts.start_due(session, service.books, POOL, now=now + 1, lead=Leading(since=now, away="bench"))
    return made


def _rows(server: str, made: Fleet, clients: int, seconds: float, decode_ms: float) -> Iterator[Row]:
    healthz = floors.healthz(server, clients=clients, seconds=FLOOR_S)
    lanes = [_reports(server, made.nodes[k::clients], 2 + clients * 1_000_000) for k in range(clients)]
    timed = {"GET /healthz": healthz, "report": drive(lanes, seconds=seconds)}
    return (_row(what, clients, found, healthz, decode_ms) for what, found in timed.items())


def _row(what: str, clients: int, found: Timed, healthz: Timed, decode_ms: float) -> Row:
    return {
        "what": what,
        "clients": clients,
        "x healthz p50": times(found.p50_ms, healthz.p50_ms),
        "x json.loads": times(found.p50_ms, decode_ms),
        "p50 ms": found.p50_ms,
        "p99 ms": found.p99_ms,
        "a second": found.rate,
    }


def _reports(server: str, nodes: Iterable[Node], first: int) -> Lane:
    """The nodes in turn, each over a connection and with a token of its own; it learns its allocations by its first."""
    known = {node.name: Connection(server, node.token) for node in nodes}
    held: dict[str, list[str]] = {}
    for seq in itertools.count(first):
        for node in nodes:
            body = _packed(_used(node, seq, held.get(node.name, [])))
            yield lambda node=node, body=body: held.update({node.name: _sent(known[node.name], node, body)})


def _sent(connection: Connection, node: Node, body: bytes) -> list[str]:
    answer = json.loads(connection.post(f"/v1/nodes/{node.name}/reports", body, status=200, headers=GZIPPED))
    return [held["allocation"] for held in answer["allocations"]]


def _used(node: Node, seq: int, allocations: list[str]) -> bytes:
    usage = [
        used(held, sampled_ms=seq * 1000, busy_ms=seq * 900, energy_millijoules=seq * 350_000) for held in allocations
    ]
    return node.report(seq=seq, usage=usage)


def _packed(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=6, mtime=0)
