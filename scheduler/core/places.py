"""How every company stands in the order of turns of a pool, for people. Decides nothing."""

from collections import Counter
from dataclasses import dataclass

from scheduler.core import words
from scheduler.core.book import Book
from scheduler.core.contention import calm
from scheduler.core.fairness import ROUNDED, Ranks
from scheduler.core.lines import Queue
from scheduler.core.model import CompanyId, Instant, State
from scheduler.core.quota import HOLDING
from scheduler.core.shares import DEFAULT_SHARES, WHOLE, Use, parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`rank` is from 1. `part` is in billionths of the pool, `gpus` the share of a good day's; amounts are GPU-seconds."""

    company: CompanyId
    group: str
    shares: int
    part: int
    gpus: int
    held_gpus: int
    queued: int
    used: int
    entitled: int
    beyond: int
    rank: int


def places(book: Book, queue: Queue, now: Instant) -> list[Place]:
    """In the order in which the queue is served. Parts are said also where nothing is ever contended."""
    found = parts(book.fair.shares, book.fair.groups, book.quotas)
    ranks = Ranks.of(book.fair, book.leases.values(), book.policy, now)
    order = sorted(found, key=lambda company: (ranks.beyond(company) * WHOLE // max(1, found[company]), company))
    held = Counter[CompanyId]()
    for lease in book.leases.values():
        if lease.state in HOLDING and lease.state is not State.SCHEDULED:
            held[lease.company] += lease.gpus
    queued = Counter(ask.company for _, ask, _ in queue)
    uses = {one.company: one for one in book.fair.uses.of}
    made: list[Place] = []
    for rank, company in enumerate(order, start=1):
        share, use = book.fair.shares.get(company), uses.get(company) or Use(company=company, used=0, entitled=0)
        made.append(
            Place(
                company=company,
                group="" if share is None else share.group,
                shares=DEFAULT_SHARES if share is None else share.shares,
                part=found[company],
                gpus=book.nominal * (found[company] + ROUNDED) // WHOLE,
                held_gpus=held[company],
                queued=queued[company],
                used=use.used,
                entitled=use.entitled,
                beyond=ranks.beyond(company),
                rank=rank,
            )
        )
    return made


def contended(book: Book, now: Instant) -> bool:
    """Whether shares count at this instant, for somebody who wants one GPU more."""
    return calm(book.policy, 0) is not None and book.calm.at(0, now) < 1


def why(place: Place, among: int) -> str:
    """One sentence about a place."""
    had, due = words.gpu_hours(place.used), words.gpu_hours(place.entitled)
    more = words.gpu_hours(abs(place.beyond))
    stands = f"{more} beyond that" if place.beyond > 0 else f"owed {more}" if place.beyond < 0 else "even with that"
    fresh = place.beyond - place.used + place.entitled
    entered = f", {words.gpu_hours(fresh)} of it granted just now" if fresh > 0 else ""
    return (
        f"{place.company} is number {place.rank} of {among}: its share is {words.counted(place.gpus, 'GPU')} and it holds "
        f"{place.held_gpus}; it used {had} where it was entitled to {due}, so it is {stands}{entered}."
    )
