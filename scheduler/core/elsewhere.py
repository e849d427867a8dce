"""What a refused ask would get in other pools: part of its counterfactual. Their books are the caller's."""

from dataclasses import dataclass, replace

from scheduler.core.book import Book
from scheduler.core.decide import decide
from scheduler.core.model import Ask, Instant, LeaseId, PoolId, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """Another pool, what the ask would get there, and which book of it says so: its generation and digest."""

    pool: PoolId
    verdict: Verdict
    generation: int
    digest: str


def option(book: Book, pool: PoolId, ask: Ask, now: Instant, *, generation: int) -> Option:
    """What the same ask would get in `pool`, of which `book` is as of `generation`; it would not wait in the queue."""
    there = replace(ask, pool=pool, queue=False)
    [found] = decide(book, [(LeaseId("~"), there)], now).verdicts
    return Option(pool=pool, verdict=found, generation=generation, digest=book.digest(now).hex())
