"""Compiles the core's hot functions before a process says that it is ready, so that no request waits for it.

What was compiled is kept beside the source, or in the folder that `scheduler.compiled` was told, so only the first start of
a version takes its ten seconds.
"""

from dataclasses import replace

from scheduler.core.book import Book
from scheduler.core.contention import ALWAYS
from scheduler.core.decide import decide
from scheduler.core.model import (
    Ask,
    CompanyId,
    Gang,
    Instant,
    LeaseId,
    Node,
    NodeId,
    Policy,
    PoolId,
    Purpose,
    Shape,
    Tier,
    Total,
)
from scheduler.core.replan import expectation, replan

_HOUR = 3600


def warm() -> None:
    """Runs every compiled function once, on a pool of two nodes that exists nowhere."""
    company = CompanyId("warm")
    policy = Policy(
        version="warm",
        horizon_s=100 * _HOUR,
        gap_s=30,
        reserve_ppm=1,
        reserve_over_s=1,
        contended=ALWAYS,
        spot_least_s=1,
    )
    nodes = [Node(id=NodeId(f"n{k}"), capacity=8, nominal=8) for k in range(2)]
    book = Book.of(policy, nodes, quotas={company: 16})
    shapes: list[Shape] = [
        Gang(nodes=2, gpus_per_node=6),
        Gang(nodes=1, gpus_per_node=8),
        Total(gpus=12),
        Total(gpus=3),
    ]
    for k, shape in enumerate([*shapes, Gang(nodes=2, gpus_per_node=8)]):
        ask = _ask(company, shape, Purpose.INFERENCE if k % 2 else Purpose.TRAINING)
        book = decide(book, [(LeaseId(f"lea_{k}"), ask)], Instant(_HOUR)).book
    lost = book.changed([Node(id=NodeId("n0"), capacity=0, nominal=8, lost_at=Instant(1))]).since(_HOUR)
    replan(lost, (), Instant(2 * _HOUR))
    _make_way(Book.of(policy, nodes, quotas={company: 16}), company)
    expectation(book, (), Instant(2 * _HOUR))


def _make_way(book: Book, company: CompanyId) -> None:
    """One of two spot leases for what is reserved."""
    asks = [(LeaseId(f"spot_{k}"), replace(_ask(company, Total(gpus=8)), tier=Tier.SPOT)) for k in range(2)]
    full = decide(book, asks, Instant(_HOUR)).book
    decide(full, [(LeaseId("lea"), _ask(company, Gang(nodes=1, gpus_per_node=8)))], Instant(_HOUR))


def _ask(company: CompanyId, shape: Shape, purpose: Purpose = Purpose.TRAINING) -> Ask:
    return Ask(company=company, pool=PoolId("warm"), shape=shape, duration_s=_HOUR, notice_s=0, purpose=purpose)
