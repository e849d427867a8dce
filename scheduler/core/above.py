"""Whether what a lease is given beyond its promise, more time or more GPUs, may lift its company above its share.

It asks for a new promise, so fairness acts before it as before any. There is no queue for it to wait in: it is given more
where its company would be served next, and not while somebody waits whose turn comes before.
"""

from collections.abc import Collection

from scheduler.core.book import Book
from scheduler.core.draft import Draft
from scheduler.core.fairness import Ranks
from scheduler.core.model import CompanyId, Instant, Lease
from scheduler.core.quota import FOR_EVER
from scheduler.core.shapes import most
from scheduler.core.sharing import beyond

Rivals = Collection[CompanyId]
"""Companies whose asks wait in the pool's queue for GPUs."""


def lasts(draft: Draft, book: Book, lease: Lease, now: Instant, rivals: Rivals | None) -> int:
    """Up to when the lease, lifted out of the draft, may go on by its company's share; `rivals` are None where shares are
    not looked at.
    """
    if rivals is None:
        return FOR_EVER
    at = beyond(draft, lease.company, lease.gpus, lease.ends_at or 0, FOR_EVER)
    return FOR_EVER if at is None else max(at, _turn_until(book, lease.company, now, rivals))


def grows(draft: Draft, book: Book, lease: Lease, start: int, unit: int, rivals: Rivals | None) -> int:
    """By how many times `unit` GPUs the lease may grow from `start` on by its company's share."""
    stop = lease.stops_at or 0
    if rivals is None or _turn_until(book, lease.company, Instant(start), rivals) >= stop:
        return FOR_EVER
    pool = sum(node.capacity for node in draft.nodes.values()) // unit
    return most(lambda more: beyond(draft, lease.company, more * unit, start, stop) is None, pool)


def _turn_until(book: Book, company: CompanyId, now: Instant, rivals: Rivals) -> int:
    """Up to when it is the company's turn: not at all while somebody waits in the queue who comes before it, and for one
    that had more than it was entitled to up to the first start that somebody before it waits for. As for what is asked.
    """
    ranks = Ranks.of(book.fair, book.leases.values(), book.policy, now)
    rank = ranks.rank(company)
    if any(ranks.rank(other) <= rank for other in rivals if other != company):
        return 0
    if ranks.beyond(company) <= 0:
        return FOR_EVER
    waiting = (book.leases[lease_id] for _, lease_id in book.waiting.keys)
    starts = (lease.starts_at or 0 for lease in waiting if ranks.rank(lease.company) < rank)
    return min((at for at in starts if at > now), default=FOR_EVER)
