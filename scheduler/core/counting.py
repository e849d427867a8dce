"""Counting what companies used of a pool, and what they were entitled to: the count that a `Uses` is made of the one before.

Entitled is weighted max-min of the pool among those that want GPUs, running and waiting ones together: who wants less than
its share leaves the rest to the others, and gets nothing for it later. Waiting in vain is made up for, so what is owed
comes back; how long that is remembered is the half-life.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from scheduler.core.book import Book
from scheduler.core.halving import factor, halved
from scheduler.core.lines import Queue
from scheduler.core.model import CompanyId, Instant, Lease, State, Tier
from scheduler.core.quota import HOLDING
from scheduler.core.shares import UNCOUNTED, Use, Uses, entitled


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """GPUs that each company holds or waits for at an instant, no more than it may hold; and GPUs that there are."""

    gpus: Mapping[CompanyId, int]
    pool_gpus: int


def wanted(book: Book, queue: Queue, now: Instant) -> Wanted:
    """What is asked for a later time is not wanted yet. A quota limits what is reserved, and not what is spot."""
    reserved, spot = Counter[CompanyId](), Counter[CompanyId]()
    for lease in book.leases.values():
        if _is_wanted(lease, now):
            (spot if lease.is_spot else reserved)[lease.company] += lease.gpus
    for _, ask, _ in queue:
        if (ask.start or 0) <= now:
            (spot if ask.tier is Tier.SPOT else reserved)[ask.company] += ask.shape.gpus
    capped = Counter({company: min(gpus, book.quota(company)) for company, gpus in reserved.items()})
    return Wanted(gpus=capped + spot, pool_gpus=sum(node.capacity for node in book.nodes.values()))


def _is_wanted(lease: Lease, now: Instant) -> bool:
    if lease.state is not State.SCHEDULED:
        return lease.state in HOLDING
    return (lease.start or 0) <= now and (lease.movable or (lease.starts_at or 0) <= now)


LONGEST_S = 3600
"""Of a longer time between two counts only so much is counted: of what was wanted before nobody knows any more."""


def since(before: Uses, now: Instant) -> Instant:
    """From when on the count at `now` counts what was used."""
    return Instant(max(before.at, now - LONGEST_S))


def counted(book: Book, used: Mapping[CompanyId, int], wants: Wanted, now: Instant) -> Uses:
    """The count at `now`: `since` the one before each used so many GPU-seconds, and everybody wanted so much.

    The first one begins to count.
    """
    before, half_life_s = book.fair.uses, book.policy.half_life_s
    if before == UNCOUNTED:
        return Uses(at=now, of=())
    passed_s = max(0, now - before.at)
    counted_s = min(passed_s, LONGEST_S)
    due = entitled(
        wants.pool_gpus * counted_s,
        {company: gpus * counted_s for company, gpus in wants.gpus.items()},
        book.fair.shares,
        book.fair.groups,
        book.quotas,
    )
    left = factor(passed_s, half_life_s)
    old = {one.company: one for one in before.of}
    found: list[Use] = []
    for company in sorted(old.keys() | due.keys() | used.keys()):
        was = old.get(company) or Use(company=company, used=0, entitled=0)
        one = Use(
            company=company,
            used=max(0, halved(was.used, left) + used.get(company, 0)),
            entitled=halved(was.entitled, left) + due.get(company, 0),
        )
        if one.used or one.entitled:
            found.append(one)
    return Uses(at=now, of=tuple(found))
