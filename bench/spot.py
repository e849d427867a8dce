"""What a re-plan costs where idle GPUs are lent: the core alone, on a contended pool with many small spot leases."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bench import machine
from bench.results import Result, Row
from scheduler.core.book import Book
from scheduler.core.contention import ALWAYS
from scheduler.core.lines import Queued
from scheduler.core.model import (
    Ask,
    CompanyId,
    Gang,
    Instant,
    Lease,
    LeaseId,
    Node,
    NodeId,
    Policy,
    PoolId,
    State,
    Tier,
    Total,
)
from scheduler.core.replan import replan
from scheduler.core.shares import Use, Uses

NODES, GPUS_PER_NODE, COMPANIES = 288, 8, 50
SPOTS = (0, 100, 500, 1000)
RESERVED, ON_SPOT = 40, 10
"""Asks that wait, of both tiers."""
NOW, HOUR_S = Instant(1000), 3600
POOL = PoolId("bench")


def measure(*, runs: int) -> Result:
    """The least of `runs` for each number of spot leases, in processor time."""
    return Result(
        measure="spot",
        settings={"nodes": NODES, "companies": COMPANIES, "queue": RESERVED + ON_SPOT, "runs": runs},
        machine=machine.described(),
        rows=[_row(spots, runs) for spots in SPOTS],
    )


def _row(spots: int, runs: int) -> Row:
    book, queue = _book(spots), list(_queue())
    plan, took = replan(book, queue, NOW), list[float]()
    for _ in range(runs):
        began = time.process_time()
        replan(book, queue, NOW)
        took.append((time.process_time() - began) * 1000)
    found: Row = {"spot leases": spots, "leases": len(book.leases), "processor ms": min(took)}
    return {**found, "moved": len(plan.moves), "promised": len(plan.pulled), "left": len(plan.left)}


def _book(spots: int) -> Book:
    """Every node is full: of spot leases of one or two GPUs, wherever chance puts them, and of what is reserved."""
    chance = random.Random(1)
    left, leases = {NodeId(f"n{k:03}"): GPUS_PER_NODE for k in range(NODES)}, list[Lease]()
    for _ in range(spots):
        gpus = chance.choice((1, 1, 1, 2))
        node = chance.choice([node for node, free in left.items() if free >= gpus])
        left[node] -= gpus
        leases.append(_lease(len(leases), Tier.SPOT, node, gpus, chance.randint(6, 24) * HOUR_S))
    for node, free in left.items():
        if free:
            leases.append(_lease(len(leases), Tier.RESERVED, node, free, chance.randint(6, 24) * HOUR_S))
    policy = Policy(version="bench", horizon_s=60 * 24 * HOUR_S, gap_s=30, contended=ALWAYS, spot_least_s=300)
    nodes = [Node(id=node, capacity=GPUS_PER_NODE, nominal=GPUS_PER_NODE) for node in left]
    used = [Use(company=_company(k), used=1000 * k, entitled=20_000) for k in range(COMPANIES)]
    uses = Uses(at=NOW, of=tuple(sorted(used, key=lambda one: one.company)))
    return Book.of(policy, nodes, leases, {_company(k): 10_000 for k in range(COMPANIES)}, fair=[uses])


def _lease(number: int, tier: Tier, node: NodeId, gpus: int, ends: int) -> Lease:
    return Lease(
        id=LeaseId(f"lea_{number:05}"),
        company=_company(number),
        pool=POOL,
        shape=Total(gpus=gpus),
        duration_s=ends,
        state=State.ACTIVE,
        tier=tier,
        notice_s=120,
        promised_start=Instant(0),
        starts_at=Instant(0),
        ends_at=Instant(ends),
        stops_at=Instant(ends),
        started_at=Instant(0),
        placement=((node, gpus),),
    )


def _queue() -> Iterator[Queued]:
    """Gangs and totals of up to four nodes, of all companies in turn."""
    shapes: Sequence[Gang | Total] = [
        *(Gang(nodes=nodes, gpus_per_node=GPUS_PER_NODE) for nodes in range(1, 5)),
        *(Total(gpus=gpus) for gpus in range(1, 9)),
    ]
    for k in range(RESERVED + ON_SPOT):
        shape, long = shapes[k % len(shapes)], HOUR_S * (1 + k % 5)
        ask = Ask(company=_company(7 * k), pool=POOL, shape=shape, duration_s=long, notice_s=900)
        asked = Instant(NOW - RESERVED - ON_SPOT + k)
        yield LeaseId(f"ask_{k:03}"), ask if k < RESERVED else replace(ask, tier=Tier.SPOT, notice_s=120), asked


def _company(number: int) -> CompanyId:
    return CompanyId(f"c{number % COMPANIES:02}")
