"""Spare GPUs for a lease that runs and lost some: of the same node first, then of others, beside everybody else's slots.

A total gets another GPU for each that it lost. A gang is nothing without one of its shares: it gets another node for each on
which it cannot be made whole, or stays as it is. What runs on its other GPUs stays, and nobody is moved for it. It only has its
own size again, so quotas, budgets and what is kept for others have no say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scheduler.core.book import Book
from scheduler.core.draft import Draft
from scheduler.core.lease import resized_at
from scheduler.core.model import Gang, Instant, Lease, LeaseId, NodeId, Placement
from scheduler.core.placement import rest_on
from scheduler.core.resize import cleaning, free_beside, together


@dataclass(frozen=True, slots=True, kw_only=True)
class Healed:
    """The lease with spares for what it gave back, by node, and the book afterwards. `cleaned` stands there for that."""

    lease: Lease
    book: Book
    given_back: Placement
    added: Placement
    cleaned: Lease


def heal(
    book: Book, lease_id: LeaseId, lost: Mapping[NodeId, int], now: Instant, ready: Mapping[NodeId, int] | None = None
) -> Healed | None:
    """Replaces what the lease lost on each node, as far as there are spares until its end; None where there are none, or where
    no more than a gap is left of its time.

    `ready` says how many GPUs nodes can really give at this moment, where that is less than the calendar has.
    """
    lease, draft = book.leases[lease_id], Draft(book)
    start, stop = resized_at(lease, now), lease.stops_at or 0
    if stop - start <= book.policy.gap_s:
        return None
    found = _spares(draft, lease, lost, free_beside(draft, lease, now, ready))
    if found is None or not found.given_back:
        return None
    held = dict(lease.placement)
    stay = {node: left for node, gpus in held.items() if (left := gpus - found.given_back.get(node, 0))}
    added = tuple(sorted(found.here.items()))
    if found.elsewhere:
        box = (start, stop + book.policy.gap_s)
        added = together(added, rest_on(draft, found.free, lease.shape, found.elsewhere, box, stay, lease.purpose))
    freed = tuple(sorted(found.given_back.items()))
    after = replace(lease, placement=together(tuple(stay.items()), added))
    cleaned = cleaning(book, lease, freed, start)
    return Healed(lease=after, book=book.put_leases([after, cleaned]), given_back=freed, added=added, cleaned=cleaned)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spares:
    """What is given back by node; how much of it the node itself has to spare; and how much others have, of what is `free`."""

    given_back: Mapping[NodeId, int]
    here: Mapping[NodeId, int]
    elsewhere: int
    free: NDArray[np.int64]


def _spares(draft: Draft, lease: Lease, lost: Mapping[NodeId, int], free: NDArray[np.int64]) -> _Spares | None:
    held = {node: gpus for node, gpus in lease.placement if node in draft.rows}
    lacks = {node: min(lost[node], gpus) for node, gpus in held.items() if lost.get(node)}
    here = {node: min(gpus, int(free[draft.rows[node]])) for node, gpus in lacks.items()}
    beside = free.copy()
    if isinstance(lease.shape, Gang):
        beside[[draft.rows[node] for node in held]] = 0
        return _of_gang(held, lacks, here, beside)
    for node, gpus in here.items():
        beside[draft.rows[node]] -= gpus
    return _of_total(lacks, here, beside)


def _of_gang(
    held: Mapping[NodeId, int], lacks: Mapping[NodeId, int], here: Mapping[NodeId, int], free: NDArray[np.int64]
) -> _Spares | None:
    """All of it, or nothing."""
    whole = {node: gpus for node, gpus in lacks.items() if here[node] == gpus}
    broken = {node: held[node] for node in lacks if node not in whole}
    if any(int((free >= gpus).sum()) < len(broken) for gpus in broken.values()):
        return None
    return _Spares(given_back=whole | broken, here=whole, elsewhere=sum(broken.values()), free=free)


def _of_total(lacks: Mapping[NodeId, int], here: Mapping[NodeId, int], free: NDArray[np.int64]) -> _Spares | None:
    """As much as there is."""
    elsewhere = left = min(sum(lacks.values()) - sum(here.values()), int(free.sum()))
    given_back: dict[NodeId, int] = {}
    for node, gpus in lacks.items():
        more = min(gpus - here[node], left)
        left -= more
        if here[node] + more:
            given_back[node] = here[node] + more
    return _Spares(
        given_back=given_back, here={node: gpus for node, gpus in here.items() if gpus}, elsewhere=elsewhere, free=free
    )
