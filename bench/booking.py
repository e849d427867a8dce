"""What is asked for: a calendar filled well ahead, and short leases booked into what it leaves free.

The short leases have the shapes and durations of the Philly excerpt that the demo plays. Chance is seeded: two runs ask
for the same, but for the time they begin at.
"""

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from bench.fleet import ADMIN, GPUS_PER_NODE, POOL
from deploy.demo import trace
from dure import wire
from scheduler.service import Service
from scheduler.store.books import Books
from scheduler.store.db import Database

SEED = 3
HOUR_S = 3600
AHEAD_S = HOUR_S // 2
"""Nothing begins sooner, so that nothing is due while it is measured."""
SPAN_S = 24 * HOUR_S
FILLED = 0.7
"""The share of the GPU-seconds of a day that the long leases take."""
LARGEST_GANG = 8
BATCH = 100
"""Asks a transaction while filling."""


def fill(db: Database, *, gpus: int, now: float, companies: Sequence[str]) -> int:
    """Books long leases until the day is as full as it is to be; how many."""
    chance = random.Random(SEED)
    service, made, left = Service(Books()), 0, FILLED * gpus * SPAN_S
    while left > 0:
        with db.begin() as session:
            for _ in range(BATCH):
                body = _long(chance, gpus, now, chance.choice(companies))
                lease = service.ask(session, body, actor=ADMIN, now=now)
                made += lease.promised_start is not None
                left -= _gpus(body.shape) * body.duration_s
                if left <= 0:
                    break
    return made


def _long(chance: random.Random, gpus: int, now: float, company: str) -> wire.Ask:
    """Half of them a few GPUs, half whole nodes; 2 to 12 hours, beginning any time of the day."""
    nodes = chance.randint(1, max(1, min(LARGEST_GANG, gpus // GPUS_PER_NODE // 4)))
    few, gang = chance.randint(1, GPUS_PER_NODE), wire.Shape(nodes=nodes, gpus_per_node=GPUS_PER_NODE)
    return wire.Ask(
        pool=POOL,
        company=company,
        shape=wire.Shape(gpus=few) if chance.random() < 0.5 else gang,
        duration_s=chance.randint(2 * HOUR_S, 12 * HOUR_S),
        start=_time(chance, now),
        start_by=_instant(now + 2 * SPAN_S),
    )


def short(seed: int, now: float) -> Iterator[wire.Ask]:
    """Without end: a Philly job each, from some minute of the day on, or as soon after as it fits."""
    chance, jobs = random.Random(seed), trace.jobs()
    while True:
        job = chance.choice(jobs)
        yield wire.Ask(
            pool=POOL,
            shape=wire.Shape(gpus=job.gpus),
            duration_s=job.duration_s * 60,
            start=_time(chance, now),
            start_by=_instant(now + 2 * SPAN_S),
        )


def large(seed: int, now: float, *, gpus: int) -> Iterator[wire.Ask]:
    """Without end: gangs of a third of all nodes for two hours, which must wait for most of a full day to pass."""
    chance = random.Random(seed)
    shape = wire.Shape(nodes=max(1, gpus // GPUS_PER_NODE // 3), gpus_per_node=GPUS_PER_NODE)
    while True:
        by = _instant(now + 3 * SPAN_S)
        yield wire.Ask(pool=POOL, shape=shape, duration_s=2 * HOUR_S, start=_time(chance, now), start_by=by)


def _gpus(shape: wire.Shape) -> int:
    return shape.gpus if shape.gpus is not None else (shape.nodes or 0) * (shape.gpus_per_node or 0)


def _time(chance: random.Random, now: float) -> datetime:
    return _instant(now + AHEAD_S + chance.randrange(0, SPAN_S, 60))


def _instant(unix_s: float) -> datetime:
    return datetime.fromtimestamp(math.ceil(unix_s), UTC)
