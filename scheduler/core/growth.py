"""Whether a lease gets the size that was asked for, or why not: what it was asked to have, and what is in the way when.

A size is in nodes for a gang, in GPUs for a total.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from scheduler.core.above import Rivals
from scheduler.core.book import Book
from scheduler.core.calendar import free_over
from scheduler.core.lease import resized_at
from scheduler.core.model import Gang, Instant, Lease, LeaseId, NodeId, Purpose, State
from scheduler.core.reserve import RESERVE
from scheduler.core.resize import Resized, Scarce, grow, shrink
from scheduler.core.shapes import most, size_of
from scheduler.core.walk_in import AHEAD, is_ahead, soon_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The sizes that a lease was asked to have at least and at most."""

    least: int = 1
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """When what is scarce is in the way of a larger size: from `at` on for the first time, and no more from `clear` on.

    `leases` and `drains` begin at `at`, the drains by their nodes; both are empty where it is in the way from now on.
    `clear` is None where the way is not clear before the lease ends.
    """

    at: Instant
    clear: Instant | None
    leases: tuple[LeaseId, ...] = ()
    drains: tuple[NodeId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotGrown:
    """What is in the way of more, and the largest size that is possible. `way` is None where no calendar says it."""

    obstacle: Scarce | Literal["purpose", "max"]
    largest: int
    way: Way | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TooSmall:
    """Less than the lease was asked to have at least."""

    smallest: int


def resize(
    book: Book,
    lease_id: LeaseId,
    size: int,
    now: Instant,
    ready: Mapping[NodeId, int] | None = None,
    bounds: Bounds = Bounds(),
    rivals: Rivals | None = None,
) -> Resized | NotGrown | TooSmall:
    """The lease with another size than it has; `ready` and `rivals` as `core.resize.grow` takes them."""
    lease = book.leases[lease_id]
    if size < size_of(lease.shape):
        return TooSmall(smallest=bounds.least) if size < bounds.least else shrink(book, lease_id, size, now)
    if lease.purpose is not Purpose.INFERENCE:
        return NotGrown(obstacle="purpose", largest=size_of(lease.shape))
    if bounds.most is not None and size > bounds.most:
        return NotGrown(obstacle="max", largest=bounds.most)
    found = grow(book, lease_id, size, now, ready, rivals)
    if isinstance(found, Resized):
        return found
    hidden = found.obstacle in ("budget", "share")  # which no calendar shows
    free = None if hidden else way(book, lease, size, found.obstacle, now)
    return NotGrown(obstacle=found.obstacle, largest=found.largest, way=free)


def way(book: Book, lease: Lease, size: int, obstacle: Scarce, now: Instant) -> Way | None:
    """What the calendar has against so much more beside the lease; None for nothing: then GPUs are not proved empty yet."""
    first = resized_at(lease, now) if lease.state is State.ACTIVE else max(now, lease.starts_at or 0)
    more, last = size - size_of(lease.shape), (lease.stops_at or 0) + book.policy.gap_s
    at = first + most(lambda much: _has_room(book, lease, more, first, first + much, now), last - first)
    if at >= last:
        return None
    clear = last - most(lambda much: _has_room(book, lease, more, last - much, last, now), last - first)
    found = Way(at=Instant(at), clear=Instant(clear) if clear < (lease.stops_at or 0) else None)
    if at == first:
        return found
    drains = sorted({drain.node for drain in book.drains.values() if drain.starts_at == at and obstacle == "capacity"})
    return replace(found, leases=_starting(book, lease, at, obstacle), drains=tuple(drains))


def _has_room(book: Book, lease: Lease, more: int, start: int, end: int, now: Instant) -> bool:
    """Whether so much more fits beside everybody in `[start, end)`, of which what is after the stop is the gap alone."""
    unit = lease.shape.gpus_per_node if isinstance(lease.shape, Gang) else 1
    limits = [book.accounts[lease.company], *([RESERVE] if lease.id in book.reserved else [])]
    stop = min(end, lease.stops_at or 0)
    if start < stop and any(book.limits.least(limit, start, stop) < more * unit for limit in limits):
        return False
    soon = soon_of(book.policy, lease, now)
    if soon is not None and max(start, soon) < stop and book.limits.least(AHEAD, max(start, soon), stop) < more * unit:
        return False
    free = free_over(book, start, end)
    if not isinstance(lease.shape, Gang):
        return int(free.clip(0).sum()) >= more
    free[[book.rows[node] for node, _ in lease.placement if node in book.rows]] = 0
    return int((free >= unit).sum()) >= more


def _starting(book: Book, lease: Lease, at: int, obstacle: Scarce) -> tuple[LeaseId, ...]:
    """The leases that begin then to take of what is scarce."""
    found = [other for other in book.leases.values() if other.starts_at == at and other.id != lease.id]
    if obstacle == "quota":
        found = [other for other in found if other.company == lease.company]
    elif obstacle == "reserve":
        found = [other for other in found if other.id in book.reserved]
    elif obstacle == "walk_in":
        found = [other for other in found if is_ahead(book.policy, other)]
    return tuple(sorted(other.id for other in found))
