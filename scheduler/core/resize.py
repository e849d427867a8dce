"""Another size for a lease that is promised or runs: fewer nodes of a gang, or GPUs of a total, or more of them.

What runs keeps what it has and gives back or gets only the difference; what is only scheduled keeps its start. Nobody
else is moved. A size is in nodes for a gang, in GPUs for a total.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scheduler.core import above, preemption
from scheduler.core.above import Rivals
from scheduler.core.book import Book
from scheduler.core.budget import grows, left
from scheduler.core.calendar import Box, Plane, fits, free_over
from scheduler.core.decide import moves
from scheduler.core.draft import Draft
from scheduler.core.lease import given_back, resized_at, sized, sized_since
from scheduler.core.model import Gang, Instant, Lease, LeaseId, Node, NodeId, Placement, Purpose, State
from scheduler.core.placement import kept, place_on
from scheduler.core.reserve import RESERVE
from scheduler.core.shapes import most, resized, size_of
from scheduler.core.walk_in import AHEAD, soon_of

Scarce = Literal["quota", "budget", "reserve", "share", "walk_in", "capacity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resized:
    """The lease with its new size and the book afterwards; `changed` are the GPUs that it got or gave back, by node.

    `cleaned` stands in the book for what a running lease gave back; `moves` are spot leases that were cut for it.
    """

    lease: Lease
    book: Book
    changed: Placement = ()
    cleaned: Lease | None = None
    moves: tuple[tuple[Lease, Lease], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotResized:
    """What is in the way, and the largest size that is possible."""

    obstacle: Scarce
    largest: int


def shrink(book: Book, lease_id: LeaseId, size: int, now: Instant) -> Resized:
    """The lease with fewer nodes or GPUs, `size` of them, of those that it has.

    What a running one gives back is blocked for the gap, as after any lease, and proved empty in it.
    """
    lease = book.leases[lease_id]
    shape = resized(lease.shape, size)
    placement = _kept_gang(book, lease, size) if isinstance(shape, Gang) else _kept_total(book, lease, size)
    after = sized(lease, shape, placement, now)
    left = dict(placement)
    freed = tuple((node, gpus - left.get(node, 0)) for node, gpus in lease.placement if gpus > left.get(node, 0))
    if lease.state is not State.ACTIVE:
        return Resized(lease=after, book=book.put_lease(after), changed=freed)
    cleaned = cleaning(book, lease, freed, sized_since(after))
    return Resized(lease=after, book=book.put_leases([after, cleaned]), changed=freed, cleaned=cleaned)


def cleaning(book: Book, lease: Lease, freed: Placement, at: Instant) -> Lease:
    """What is to stand in the book for GPUs that a running lease gives back at that instant, with others of the same second."""
    cleaned = given_back(lease, freed, at)
    earlier = book.leases.get(cleaned.id)
    return cleaned if earlier is None else given_back(lease, together(earlier.placement, freed), at)


def grow(
    book: Book,
    lease_id: LeaseId,
    size: int,
    now: Instant,
    ready: Mapping[NodeId, int] | None = None,
    rivals: Rivals | None = None,
) -> Resized | NotResized:
    """The lease with more nodes or GPUs, `size` of them, beside everybody else's slots for the rest of its box.

    `ready` says how many GPUs the nodes in it can really give to one that runs at this moment, where that is less than the
    calendar has; `rivals` as `core.above` takes them.
    """
    lease = book.leases[lease_id]
    if lease.state is State.ACTIVE:
        return _more_of_running(book, lease, size, now, ready, rivals)
    return _more_of_scheduled(book, lease, size, now, rivals)


def _kept_total(book: Book, lease: Lease, size: int) -> Placement:
    """What may be lost is given back first. Then training keeps its largest shares, so that it is on few nodes; inference gives
    back of its largest, and stays spread.
    """
    shares, lost = dict(lease.placement), {node: _lost(book, node) for node, _ in lease.placement}
    for _ in range(lease.gpus - size):
        spread = lease.purpose is Purpose.INFERENCE
        node = min(shares, key=lambda node: (lost[node] <= 0, -shares[node] if spread else shares[node], node))
        shares[node] -= 1
        lost[node] -= 1
        shares = {node: gpus for node, gpus in shares.items() if gpus}
    return tuple(sorted(shares.items()))


def _kept_gang(book: Book, lease: Lease, size: int) -> Placement:
    """Nodes that may be lost are given back first. Then training keeps the islands of which it has most; inference gives those
    back first, and stays spread.
    """
    held = [node for node, _ in lease.placement]
    islands: dict[tuple[str, str], list[NodeId]] = {}
    for node in held:
        islands.setdefault(_island(book.nodes.get(node)), []).append(node)
    if lease.purpose is Purpose.INFERENCE:
        turns = sorted((turn, nodes[0], nodes[turn]) for nodes in islands.values() for turn in range(len(nodes)))
        order = [node for _, _, node in turns]
    else:
        order = [
            node for nodes in sorted(islands.values(), key=lambda nodes: (-len(nodes), nodes[0])) for node in nodes
        ]
    staying = set(sorted(order, key=lambda node: _lost(book, node) > 0)[:size])
    return tuple((node, gpus) for node, gpus in lease.placement if node in staying)


def _lost(book: Book, node_id: NodeId) -> int:
    """How many GPUs of the node are not to be had: more than it has where nothing is heard of it."""
    node = book.nodes.get(node_id)
    if node is None:
        return 0
    return node.nominal - node.capacity if node.open else node.nominal + 1


def _island(node: Node | None) -> tuple[str, str]:
    return ("", "") if node is None else (node.rack, node.island)


def _more_of_running(
    book: Book, lease: Lease, size: int, now: Instant, ready: Mapping[NodeId, int] | None, rivals: Rivals | None
) -> Resized | NotResized:
    draft = Draft(book)
    start, end = resized_at(lease, now), (lease.stops_at or 0) + draft.policy.gap_s
    free = free_beside(draft, lease, now, ready)
    has = size_of(lease.shape)
    unit = lease.gpus // has
    if isinstance(lease.shape, Gang):
        free[[draft.rows[node] for node, _ in lease.placement if node in draft.rows]] = 0
        room = int((free >= unit).sum())
    else:
        room = int(free.sum())
    ahead = _ahead(draft, lease, start, now, unit)
    obstacle, more = _scarcest(draft, book, lease, start, {"capacity": room, **ahead}, rivals)
    if size > has + more:
        return NotResized(obstacle=obstacle, largest=has + more)
    added = place_on(draft, free, resized(lease.shape, size - has), (start, end), lease.purpose, lease.placement)
    after = sized(lease, resized(lease.shape, size), together(lease.placement, added), now)
    return Resized(lease=after, book=book.put_lease(after), changed=added)


def short(book: Book, lease: Lease, ready: Mapping[NodeId, int], now: Instant) -> Mapping[NodeId, int]:
    """Of what each node can really give at this moment, that which is less than the calendar has for the rest of the box.

    Whoever is due there and has not started yet comes first.
    """
    free, due = free_beside(book, lease, now), _due(book, now)
    given = {node: max(0, ready.get(node, 0) - due[node]) for node in book.rows}
    return {node: gpus for node, gpus in given.items() if gpus < free[book.rows[node]]}


def _due(book: Book, now: Instant) -> Counter[NodeId]:
    """By node, the GPUs of leases whose start has come."""
    found: Counter[NodeId] = Counter()
    for lease in book.leases.values():
        if lease.state is State.SCHEDULED and (lease.starts_at or 0) <= now:
            found.update(dict(lease.placement))
    return found


def free_beside(
    plane: Plane, lease: Lease, now: Instant, ready: Mapping[NodeId, int] | None = None
) -> NDArray[np.int64]:
    """What each node has beside everybody's slots, the lease's own among them, from now until its end and the gap after it; no
    more than is `ready` on it, where that is said.
    """
    end = (lease.stops_at or 0) + plane.policy.gap_s
    free = np.maximum(free_over(plane, resized_at(lease, now), end), 0)
    for node, gpus in (ready or {}).items():
        free[plane.rows[node]] = min(gpus, free[plane.rows[node]])
    return free


def _more_of_scheduled(
    book: Book, lease: Lease, size: int, now: Instant, rivals: Rivals | None
) -> Resized | NotResized:
    draft = preemption.opened(Draft(book), now)
    start, stop = max(now, lease.starts_at or 0), lease.stops_at or 0
    has = size_of(lease.shape)
    ahead = _ahead(draft, lease, start, now, lease.gpus // has)
    obstacle, more = _scarcest(draft, book, lease, start, ahead, rivals)
    draft.lift(lease.id)
    box = Box.of(draft, lease.company, lease.shape, stop - start).unlimited()
    room = most(
        lambda more: fits(draft, replace(box, shape=resized(lease.shape, has + more)), start), min(more, size - has)
    )
    if has + room < size:
        return NotResized(obstacle=obstacle if room == more else "capacity", largest=has + room)
    shape = resized(lease.shape, size)
    placement = kept(draft, shape, lease.placement, start, stop + draft.policy.gap_s, lease.purpose)
    assert placement is not None
    after = sized(lease, shape, placement, now)
    draft.put(after)
    preemption.settle(draft)
    others = tuple(pair for pair in moves(book, draft) if pair[0].id != lease.id)
    return Resized(lease=after, book=draft.seal(), moves=others)


def _scarcest(
    draft: Draft, book: Book, lease: Lease, start: int, room: dict[Scarce, int], rivals: Rivals | None
) -> tuple[Scarce, int]:
    """What there is least of for the lease to grow until it stops, and by how much of its size that is enough."""
    stop, unit = lease.stops_at or 0, lease.gpus // size_of(lease.shape)
    found = dict(room)
    found["quota"] = draft.limits.least(draft.account(lease.company), start, stop) // unit
    if (standing := draft.standing(lease.company)) is not None:
        budget = left(draft.quotas[lease.company], standing)
        found["budget"] = grows(budget, lease, start) // unit
    if lease.id in draft.reserved:
        found["reserve"] = draft.limits.least(RESERVE, start, stop) // unit
    found["share"] = above.grows(draft, book, lease, start, unit, rivals)
    what = min(found, key=lambda one: found[one])
    return what, max(0, found[what])


def _ahead(draft: Draft, lease: Lease, start: int, now: Instant, unit: int) -> dict[Scarce, int]:
    """By how much of its size what is kept for walk-ins lets one that is booked ahead grow, from when that is not near."""
    soon, stop = soon_of(draft.policy, lease, now), lease.stops_at or 0
    if soon is None or soon >= stop:
        return {}
    return {"walk_in": draft.limits.least(AHEAD, max(start, soon), stop) // unit}


def together(placement: Placement, added: Placement) -> Placement:
    """Both as one placement."""
    found = dict(placement)
    for node, gpus in added:
        found[node] = found.get(node, 0) + gpus
    return tuple(sorted(found.items()))
