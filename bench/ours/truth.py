"""Whether our quotes come true: each ask is quoted, then asked for real, and has to start by what the quote said.

Everything is real, at the pace of the clock: the API over HTTP, the scheduler, nodes that report and show their GPUs
empty. So that all of it starts soon, a box is a second long for every few minutes of Slurm's.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from bench import fleet, machine
from bench.fleet import INTERVAL_S, Fleet
from bench.gangs import gangs
from bench.load import Connection
from bench.ours.asking import body
from bench.ours.quotes import QUOTES
from bench.reporting import Reporting, reporting
from bench.results import Row
from bench.stack import stack
from dure import wire
from scheduler.store.db import Database

SEED = 6
LEASES = "/v1/leases"
LARGEST_GPUS, LONGEST_MIN = 64, 24 * 60
SHORTEST_S = 5
PATIENCE_S = 3600.0
LOOK_S = 1.0

_GENERATION = "SELECT generation FROM pool"
_DECIDED_AT = "SELECT d.generation FROM lease l JOIN decision d ON d.id = l.decision WHERE l.id = %s"
_WAITING = "SELECT count(*) FROM lease WHERE started_at IS NULL AND state IN ('scheduled', 'queued')"
_STARTED = "SELECT id, started_at, late_cause FROM lease WHERE started_at IS NOT NULL"


class NotStarted(Exception):
    """Leases had not started long after they should have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What the quote promised, what the ask was promised then, whether both were to start at once, and the lease.

    Unix seconds. What starts at once is promised the next whole second, which may be another for the ask than for its
    quote.
    """

    said: int
    promised: int
    now: bool
    lease: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """When a lease started, in Unix seconds, and why that was late if it was."""

    at: int
    late: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Those between whose quote and ask nothing was decided, and how many were repeated because something was."""

    pairs: Sequence[Pair]
    repeated: int


def ours_truth(*, nodes: int, count: int, shortened: int) -> Row:
    """`count` pairs, as fast as they are answered; a box has a second for `shortened` minutes. Raises NotStarted."""
    asks, busy = _asks(count, shortened), machine.load()
    with stack() as ground:
        with closing(Database(ground.database_url, pool_size=1)) as db:
            made = fleet.make(db, gpus=nodes * fleet.GPUS_PER_NODE, interval_s=INTERVAL_S)
        with (
            ground.process("api") as server,
            reporting(server, made.nodes) as agents,
            ground.process("scheduler"),
            psycopg.connect(ground.database_url, autocommit=True) as connection,
        ):
            found = _asked(server, made, connection, asks)
            _until_started(connection, agents)
            started = {str(row[0]): Start(at=_seconds(row[1]), late=row[2]) for row in connection.execute(_STARTED)}
    return row(found, started, busy)


def _asks(count: int, shortened: int) -> list[wire.Ask]:
    found = gangs(count, seed=SEED, largest_gpus=LARGEST_GPUS, longest_min=LONGEST_MIN)
    return [body(gang).model_copy(update={"duration_s": max(SHORTEST_S, gang.minutes // shortened)}) for gang in found]


def row(found: Pairs, started: Mapping[str, Start], busy: float) -> Row:
    """`started` has how each lease started."""
    late_s = {pair: started[pair.lease].at - pair.said for pair in found.pairs if pair.lease in started}
    causes = Counter(started[pair.lease].late or "said none" for pair, late in late_s.items() if late > 0)
    return {
        "pairs": len(found.pairs),
        "came true": sum(pair.promised <= pair.said and late <= 0 for pair, late in late_s.items()),
        "promised later": sum(pair.promised > pair.said for pair in found.pairs),
        "for a second passed": sum(pair.promised == pair.said + 1 and pair.now for pair in found.pairs),
        "started later": sum(late > 0 for late in late_s.values()),
        "because": ", ".join(f"{cause} {count}" for cause, count in sorted(causes.items())),
        "started earlier": sum(late < 0 for late in late_s.values()),
        "never started": len(found.pairs) - len(late_s),
        "most late s": max([0, *late_s.values()]),
        "repeated": found.repeated,
        "load": busy,
    }


def _asked(server: str, made: Fleet, connection: psycopg.Connection, asks: Sequence[wire.Ask]) -> Pairs:
    lanes = [Connection(server, token) for token in made.companies.values()]
    pairs: list[Pair] = []
    repeated = 0
    for k, ask in enumerate(asks):
        for pair in _tries(lanes[k % len(lanes)], connection, ask):
            if pair is not None:
                pairs.append(pair)
                break
            repeated += 1
    return Pairs(pairs=pairs, repeated=repeated)


def _tries(lane: Connection, connection: psycopg.Connection, ask: wire.Ask) -> Iterator[Pair | None]:
    """Pairs of the same ask without end, None for one with something decided between its two. All are asked for real."""
    text = ask.model_dump_json(exclude_none=True).encode()
    while True:
        before = _number(connection.execute(_GENERATION))
        quote = json.loads(lane.post(QUOTES, text, status=200))
        lease = json.loads(lane.post(LEASES, text, status=201))
        same = _number(connection.execute(_DECIDED_AT, [lease["id"]])) == before
        yield _pair(quote, lease) if same else None


def _pair(quote: dict[str, Any], lease: dict[str, Any]) -> Pair:
    said, promised = (_seconds(datetime.fromisoformat(one["promised_start"])) for one in (quote, lease))
    now = {quote["decision"]["code"], lease["decision"]["code"]} == {"starts_now"}
    return Pair(said=said, promised=promised, now=now, lease=lease["id"])


def _until_started(connection: psycopg.Connection, agents: Reporting) -> None:
    until = time.monotonic() + PATIENCE_S
    while waiting := _number(connection.execute(_WAITING)):
        agents.check()
        if time.monotonic() > until:
            raise NotStarted(f"{waiting} leases had not started after {PATIENCE_S:.0f} s")
        time.sleep(LOOK_S)


def _number(found: psycopg.Cursor) -> int:
    one = found.fetchone()
    return int(one[0]) if one else 0


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
