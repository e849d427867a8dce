"""A later or earlier end for a lease that is promised or runs. Nobody else's time moves for it.

What runs goes on on its own nodes. Scheduled leases in its way may be placed on other nodes at the same start, if all of
them that have to can be; otherwise the extension is refused, with the longest that is possible.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from scheduler.core.book import Book, Draft
from scheduler.core.calendar import free_from
from scheduler.core.decide import moves
from scheduler.core.model import Gang, Instant, Lease, LeaseId, NodeId, Shape, State, Total
from scheduler.core.placement import kept
from scheduler.core.repair import make_way

CLOSES_S = 600
"""An active lease is extended until this long before its end, or until half of its box is over, whichever is later."""

EXTENDABLE = frozenset({State.SCHEDULED, State.ACTIVE})
"""The states in which a lease may be given another end."""

Obstacle = Literal["horizon", "quota", "capacity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """The lease with its new end, the book afterwards, and whom it moved to other nodes: before, after."""

    lease: Lease
    book: Book
    moves: tuple[tuple[Lease, Lease], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotExtended:
    """What is in the way, and how many seconds more are possible."""

    obstacle: Obstacle
    longest_s: int


def closes_at(lease: Lease) -> Instant | None:
    """From when on the lease is not extended any more; None while it has no end."""
    if lease.ends_at is None:
        return None
    return Instant(lease.ends_at - min(CLOSES_S, lease.duration_s // 2))


def extend(book: Book, lease_id: LeaseId, until: int, now: Instant, *, partly: bool = False) -> Extended | NotExtended:
    """The lease until then; with `partly`, as long as possible up to then. The lease is scheduled or active."""
    lease = book.leases[lease_id]
    assert lease.ends_at is not None
    furthest = min(until, now + book.policy.horizon_s)
    whole = _tried(book, lease, until) if furthest == until else None
    if whole is not None:
        return whole
    longest, found = _longest(book, lease, furthest)
    if partly and found is not None:
        return found
    return NotExtended(obstacle=_obstacle(book, lease, until, furthest), longest_s=longest - lease.ends_at)


def shorten(lease: Lease, until: Instant) -> Lease:
    """The lease with an earlier end, which lies after its start."""
    assert lease.starts_at is not None
    return replace(lease, duration_s=until - lease.starts_at, ends_at=until, stops_at=until)


def lessen(lease: Lease, size: int) -> Lease:
    """A scheduled lease with fewer nodes, or fewer GPUs in total, on nodes that it has already."""
    if isinstance(lease.shape, Gang):
        shape: Shape = replace(lease.shape, nodes=size)
        return replace(lease, shape=shape, placement=lease.placement[:size])
    left = size
    placement: list[tuple[NodeId, int]] = []
    for node, gpus in sorted(lease.placement, key=lambda share: (-share[1], share[0])):
        taken = min(gpus, left)
        left -= taken
        placement += [(node, taken)] if taken else []
    return replace(lease, shape=Total(gpus=size), placement=tuple(sorted(placement)))


def _tried(book: Book, lease: Lease, until: int) -> Extended | None:
    """The lease until then, if that is possible, whoever of the scheduled has to make way."""
    assert lease.starts_at is not None
    draft = Draft(book)
    draft.lift(lease.id)
    longer = replace(lease, duration_s=until - lease.starts_at, ends_at=Instant(until), stops_at=Instant(until))
    if _limited(draft, lease, until, shares=lease.id in book.reserved):
        return None
    if lease.state is State.SCHEDULED:
        placement = kept(draft, lease.shape, lease.placement, lease.starts_at, until + draft.policy.gap_s)
        longer = longer if placement is None else replace(longer, placement=placement)
    draft.put(longer)
    if not make_way(draft, longer):
        return None
    others = tuple(pair for pair in moves(book, draft) if pair[1].id != lease.id)
    return Extended(lease=longer, book=draft.seal(), moves=others)


def _longest(book: Book, lease: Lease, furthest: int) -> tuple[int, Extended | None]:
    """The latest end that is possible, up to `furthest`, and the extension to it, if it is one."""
    assert lease.ends_at is not None
    low, found = lease.ends_at, None
    alone = min(furthest, _alone(book, lease, furthest))
    high = furthest
    if alone > low and (tried := _tried(book, lease, alone)) is not None:
        low, found = alone, tried
    while low < high:
        middle = (low + high + 1) // 2
        tried = _tried(book, lease, middle)
        if tried is None:
            high = middle - 1
        else:
            low, found = Instant(middle), tried
    return low, found


def _alone(book: Book, lease: Lease, furthest: int) -> int:
    """The latest end at which nobody has to make way."""
    assert lease.ends_at is not None
    draft = Draft(book)
    draft.lift(lease.id)
    gap = draft.policy.gap_s
    ends = [
        free_from(draft, draft.rows[node], lease.ends_at, gpus, furthest + gap) - gap
        for node, gpus in lease.placement
        if node in draft.rows
    ]
    return min([furthest, *ends])


def _limited(draft: Draft, lease: Lease, until: int, *, shares: bool) -> bool:
    """Whether a limit is in the way: of the added time, or of all of a box that is now so long that it shares the reserve."""
    assert lease.ends_at is not None
    if draft.limits.least(draft.account(lease.company), lease.ends_at, until) < lease.gpus:
        return True
    row = draft.reserve(until - (lease.starts_at or 0), lease.gpus)
    since = lease.ends_at if shares else lease.starts_at or 0
    return row >= 0 and draft.limits.least(row, since, until) < lease.gpus


def _obstacle(book: Book, lease: Lease, until: int, furthest: int) -> Obstacle:
    if furthest < until:
        return "horizon"
    draft = Draft(book)
    draft.lift(lease.id)
    return "quota" if _limited(draft, lease, until, shares=lease.id in book.reserved) else "capacity"


def numbers(lease: Lease, refusal: NotExtended) -> Mapping[str, int | str]:
    """What a refused extension says."""
    return {"in_the_way": refusal.obstacle, "longest_s": refusal.longest_s, "gpus": lease.gpus}
