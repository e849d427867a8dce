"""Capacity that was lost: the fewest scheduled leases move, to spare nodes at the same start first, later only where
nothing else is possible. What runs is never moved.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from scheduler.core.book import Draft
from scheduler.core.calendar import Box, earliest, lacks
from scheduler.core.lease import advance
from scheduler.core.model import Cause, Instant, Lease, LeaseId, NodeId, State
from scheduler.core.placement import kept
from scheduler.core.rules import pencilled


@dataclass(slots=True, kw_only=True)
class Repaired:
    """Why leases were moved, and those for which no place is left within the horizon: they wait in the queue again."""

    causes: dict[LeaseId, Cause] = field(default_factory=dict[LeaseId, Cause])
    dropped: dict[LeaseId, Lease] = field(default_factory=dict[LeaseId, Lease])


def repair(draft: Draft, now: Instant) -> Repaired:
    """Moves on the draft whatever is booked on nodes that do not have it any more."""
    done = Repaired()
    short = [(node, row) for node, row in draft.rows.items() if lacks(draft, row, now)]
    if not short:
        return done
    booked = _scheduled(draft)
    victims: list[Lease] = []
    for node, row in short:
        for lease, cause in _victims(draft, node, row, booked.get(node, {}), now):
            victims.append(lease)
            done.causes[lease.id] = cause
    for lease in sorted(victims, key=lambda lease: (lease.promised_start or 0, lease.asked_at, lease.id)):
        moved = elsewhere(draft, lease, now)
        if moved is None and not _for_good(draft, lease, done.causes[lease.id], now):
            moved = lease
            del done.causes[lease.id]
        moved = moved or later(draft, lease, now)
        if moved is None:
            done.dropped[lease.id] = advance(lease, State.QUEUED, done.causes[lease.id], now)
        else:
            draft.put(moved)
    return done


def _for_good(draft: Draft, lease: Lease, cause: Cause, now: Instant) -> bool:
    """Whether what the lease lost is not expected back: a drain, or a loss that has lasted."""
    if cause is Cause.DRAIN:
        return True
    lost = (draft.nodes[node].lost_at for node, _ in lease.placement if node in draft.nodes)
    return any(at is not None and now >= at + draft.policy.loss_grace_s for at in lost)


def elsewhere(draft: Draft, lease: Lease, now: Instant) -> Lease | None:
    """The lease, lifted out, at its own start on nodes that are free, as many as possible of them its own; None if none are."""
    start, stop = max(now, lease.starts_at or 0), (lease.stops_at or 0) + draft.policy.gap_s
    placement = kept(draft, lease.shape, lease.placement, start, stop)
    return None if placement is None else replace(lease, placement=placement)


def later(draft: Draft, lease: Lease, now: Instant) -> Lease | None:
    """The lease, lifted out, at the earliest start that it can have; its promise slips as far as that is after it."""
    box = Box.of(draft, lease.company, lease.shape, lease.duration_s)
    lo = max(now, lease.start or 0)
    start = earliest(draft, box, lo, now + draft.policy.horizon_s - lease.duration_s)
    if start is None:
        return None
    moved = pencilled(draft, lease, start)
    return replace(moved, promised_start=max(start, lease.promised_start or start))


def _scheduled(draft: Draft) -> Mapping[NodeId, dict[LeaseId, Lease]]:
    found: dict[NodeId, dict[LeaseId, Lease]] = {}
    for lease in draft.leases.values():
        if lease.state is State.SCHEDULED:
            for node, _ in lease.placement:
                found.setdefault(node, {})[lease.id] = lease
    return found


def _victims(
    draft: Draft, node: NodeId, row: int, booked: dict[LeaseId, Lease], now: Instant
) -> Iterator[tuple[Lease, Cause]]:
    """Lifts leases off the node until it has what is left on it, or only what runs is left."""
    passed = now - 1
    while (at := _first_short(draft, row, passed)) is not None:
        over = [lease for lease in booked.values() if lease.id in draft.leases and _covers(draft, lease, max(at, now))]
        if not over:
            passed = max(at, now)
            continue
        lack = -draft.free.at(row, max(at, now))
        lease = min(over, key=lambda lease: _preference(lease, node, lack))
        draft.lift(lease.id)
        yield lease, _cause(draft, node, at)


def _first_short(draft: Draft, row: int, after: int) -> int | None:
    """The begin of the first step that lasts beyond `after`, began at it or later, and is below zero."""
    steps = draft.free.steps(row)
    ends = (*steps.times[1:], 1 << 60)
    for at, end, value in zip(steps.times, ends, steps.values, strict=True):
        if value < 0 and end > after + 1 and max(at, after + 1) < end:
            return max(at, after + 1)
    return None


def _covers(draft: Draft, lease: Lease, instant: int) -> bool:
    return (lease.starts_at or 0) <= instant < (lease.stops_at or 0) + draft.policy.gap_s


def _preference(lease: Lease, node: NodeId, lack: int) -> tuple[bool, int, int, LeaseId]:
    """One that is enough alone before several; then the one that ends last, which clears the most; then the newest."""
    share = dict(lease.placement).get(node, 0)
    return share < lack, -share if share < lack else 0, -(lease.stops_at or 0), lease.id


def _cause(draft: Draft, node: NodeId, at: int) -> Cause:
    drained = any(drain.node == node and drain.starts_at <= at < drain.ends_at for drain in draft.drains.values())
    return Cause.DRAIN if drained else Cause.CAPACITY_LOST
