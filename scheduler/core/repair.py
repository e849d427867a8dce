"""Capacity that was lost: few scheduled leases move, to spare nodes at the same start first, then to nodes that others can
leave, later only where neither is found. What runs is never moved.

Nodes whose agents are silent may have all that they had. What is ahead on one that stays silent has spare nodes all the
same, before somebody asks for them, but nobody makes way for it, and it is never moved later before its start is due.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from scheduler.core.book import Book, Draft
from scheduler.core.calendar import Box, earliest, lacks
from scheduler.core.lease import advance
from scheduler.core.model import Cause, Drain, Instant, Lease, LeaseId, NodeId, State
from scheduler.core.rules import pencilled
from scheduler.core.spares import Booked, by_way_made, elsewhere, stands_on


@dataclass(slots=True, kw_only=True)
class Repaired:
    """Why leases were moved, and those for which no place is left within the horizon: they wait in the queue again."""

    causes: dict[LeaseId, Cause] = field(default_factory=dict[LeaseId, Cause])
    dropped: dict[LeaseId, Lease] = field(default_factory=dict[LeaseId, Lease])


def repair(draft: Draft, now: Instant) -> Repaired:
    """Moves on the draft whatever is booked on nodes that do not have it any more."""
    done = Repaired()
    short = [(node, row) for node, row in draft.rows.items() if lacks(draft, row, now)]
    silent = [node for node in draft.out_of_service if not draft.nodes[node].open and _has_lasted(draft, node, now)]
    if not short and not silent:
        return done
    booked = Booked(draft)
    victims = list(_of_several(draft, short, booked, now))
    for node, row in short:
        victims += _victims(draft, node, row, booked.on(node), now)
    done.causes = {lease.id: _cause(draft, lease, now) for lease in victims}
    patient = {lease.id for lease in victims if not _for_good(draft, lease, done.causes[lease.id], now)}
    for lease in victims:
        if lease.id in patient:  # what may come back stays theirs, so nobody else is placed there
            draft.put(lease)
    victims.sort(key=_turn)
    # Everybody's own start comes before anybody's later one, which is sought beside all of them and inside all limits.
    rest = _without_place(draft, victims, patient, booked, done, now)
    for lease in _ahead_on(silent, booked, now):
        if _has_spare(draft, lease, booked, now):
            done.causes[lease.id] = _cause(draft, lease, now)
    for lease in rest:
        if lease.id in patient:
            del done.causes[lease.id]
            continue
        moved = later(draft, lease, now)
        if moved is None:
            done.dropped[lease.id] = advance(lease, State.QUEUED, done.causes[lease.id], now)
        else:
            draft.put(moved)
    return done


def _without_place(
    draft: Draft, victims: list[Lease], patient: AbstractSet[LeaseId], booked: Booked, done: Repaired, now: Instant
) -> list[Lease]:
    """Puts at their own start all for which there is a place, or one that others can leave to them; the rest, in order.

    Whoever has moved may have left what another needs, so all are looked at again until nobody moves. The patient stay
    as they were meanwhile, and nobody makes way for them.
    """
    rest = victims
    while True:
        before = len(rest)
        rest = [lease for lease in rest if not _has_spare(draft, lease, booked, now)]
        if len(rest) == before:
            rest = [lease for lease in rest if lease.id in patient or not _is_made_way(draft, lease, booked, done, now)]
        if len(rest) == before:
            return rest


def _has_spare(draft: Draft, lease: Lease, booked: Booked, now: Instant) -> bool:
    """Puts the lease at its own start on spare nodes, if there are any; else it is left where it was found."""
    was = draft.lift(lease.id)
    moved = elsewhere(draft, lease, now)
    if moved is not None:
        booked.note(moved)
    if (found := moved or was) is not None:
        draft.put(found)
    return moved is not None


def _is_made_way(draft: Draft, lease: Lease, booked: Booked, done: Repaired, now: Instant) -> bool:
    """Puts the lease at its own start, if others can leave nodes to it; it is not in the draft."""
    found = by_way_made(draft, lease, booked, now)
    if found is None:
        return False
    moved, others = found
    draft.put(moved)
    booked.note(moved)
    for other in others:
        done.causes.setdefault(other, Cause.MADE_WAY)
    return True


def _for_good(draft: Draft, lease: Lease, cause: Cause, now: Instant) -> bool:
    """Whether what the lease lost is not expected back: a drain, or a loss that has lasted."""
    if cause is Cause.DRAIN:
        return True
    return any(_has_lasted(draft, node, now) for node, _ in lease.placement if node in draft.nodes)


def _has_lasted(draft: Draft, node: NodeId, now: Instant) -> bool:
    lost_at = draft.nodes[node].lost_at
    return lost_at is not None and now >= lost_at + draft.policy.loss_grace_s


def _ahead_on(nodes: Sequence[NodeId], booked: Booked, now: Instant) -> list[Lease]:
    """What is booked on any of them and not due yet, the nearest promise first."""
    found = {id_: lease for node in nodes for id_, lease in booked.on(node).items() if (lease.starts_at or 0) > now}
    return sorted(found.values(), key=_turn)


def _turn(lease: Lease) -> tuple[int, int, LeaseId]:
    return lease.promised_start or 0, lease.asked_at, lease.id


def later(draft: Draft, lease: Lease, now: Instant) -> Lease | None:
    """The lease, lifted out, at the earliest start that it can have, not nearer than its notice unless its own start was;
    its promise slips as far as that is after it.

    What a period has left of its company's budget does not keep it waiting longer: it was promised within it.
    """
    box = replace(Box.of(draft, lease.company, lease.shape, lease.duration_s), windows=None)
    lo = max(now, lease.start or 0, min(now + lease.notice_s, lease.starts_at or 0))
    start = earliest(draft, box, lo, now + draft.policy.horizon_s - lease.duration_s)
    if start is None:
        return None
    return pencilled(draft, lease, start)


def _of_several(draft: Draft, short: Sequence[tuple[NodeId, int]], booked: Booked, now: Instant) -> Iterator[Lease]:
    """Lifts leases off that are enough on several nodes at once, those that are on the most nodes first."""
    rows = dict(short)
    on: dict[LeaseId, Lease] = {}
    for node in rows:
        on |= {id_: lease for id_, lease in booked.on(node).items() if sum(at in rows for at, _ in lease.placement) > 1}
    while on:
        counts = {id_: _enough_on(draft, lease, rows, booked, now) for id_, lease in on.items()}
        best = max(on.values(), key=lambda lease: (counts[lease.id], lease.stops_at or 0, lease.asked_at, lease.id))
        if counts[best.id] < 2:
            return
        draft.lift(on.pop(best.id).id)
        yield best


def _enough_on(draft: Draft, lease: Lease, rows: Mapping[NodeId, int], booked: Booked, now: Instant) -> int:
    """On how many nodes it alone is what they lack at the first instant at which they are short."""
    found = 0
    for node, share in lease.placement:
        if node in rows:
            at = _first_short(draft, rows[node], booked.on(node), now)
            if at is not None and stands_on(draft, lease, node, at) and share >= -draft.free.at(rows[node], at):
                found += 1
    return found


def _victims(draft: Draft, node: NodeId, row: int, booked: dict[LeaseId, Lease], now: Instant) -> Iterator[Lease]:
    """Lifts leases off the node until it has what is left on it, or only what runs is left."""
    while (at := _first_short(draft, row, booked, now)) is not None:
        over = [lease for lease in booked.values() if lease.id in draft.leases and stands_on(draft, lease, node, at)]
        lack = -draft.free.at(row, at)
        lease = max(over, key=lambda lease: _preference(lease, node, lack))
        draft.lift(lease.id)
        yield lease


def _first_short(draft: Draft, row: int, booked: dict[LeaseId, Lease], since: int) -> int | None:
    """The first instant from `since` on at which the row has less than is booked, one of these leases among it."""
    steps = draft.free.steps(row)
    ends = (*steps.times[1:], 1 << 60)
    short = [(max(at, since), end) for at, end, value in zip(steps.times, ends, steps.values, strict=True) if value < 0]
    meets = (
        max(begin, lease.starts_at or 0)
        for lease in booked.values()
        if lease.id in draft.leases
        for begin, end in short
        if max(begin, lease.starts_at or 0) < min(end, (lease.stops_at or 0) + draft.policy.gap_s)
    )
    return min(meets, default=None)


def _preference(lease: Lease, node: NodeId, lack: int) -> tuple[bool, int, int, int, LeaseId]:
    """One that is enough alone before several; then the one that ends last, which clears the most; then the newest."""
    share = dict(lease.placement).get(node, 0)
    enough = share >= lack
    return enough, 0 if enough else share, lease.stops_at or 0, lease.asked_at, lease.id


def _cause(draft: Draft, lease: Lease, now: Instant) -> Cause:
    """A drain of any of its nodes, which is sure to last, before a loss, which may not."""
    return Cause.DRAIN if drains_over(draft, lease, now) else Cause.CAPACITY_LOST


def drains_over(plane: Book | Draft, lease: Lease, now: Instant) -> list[Drain]:
    """Those of its nodes, over its box and gap."""
    start, stop = max(now, lease.starts_at or 0), (lease.stops_at or 0) + plane.policy.gap_s
    nodes = {node for node, _ in lease.placement}
    return [
        drain
        for drain in plane.drains.values()
        if drain.node in nodes and drain.starts_at < stop and drain.ends_at > start
    ]
