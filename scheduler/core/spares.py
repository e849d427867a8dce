"""Other nodes at the same start: for a lease that lost its own, or for one that makes way for another.

Who makes way has a start that is still ahead, keeps it, and is placed elsewhere before anybody is told that it must wait.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from scheduler.core.book import Draft
from scheduler.core.calendar import free_over
from scheduler.core.model import Gang, Instant, Lease, LeaseId, NodeId, Placement, State
from scheduler.core.placement import kept

NODES_TRIED = 64
"""On how many nodes others are asked to make way, those that lack least first."""


def elsewhere(draft: Draft, lease: Lease, now: Instant) -> Lease | None:
    """The lease, lifted out, at its own start on nodes that are free, as many as possible of them its own; None if none are."""
    placement = kept(draft, lease.shape, lease.placement, *_window(draft, lease, now), lease.purpose)
    return None if placement is None else replace(lease, placement=placement)


class Booked:
    """Which leases of a draft may have a start that is still ahead on each node, so that not all are gone through."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._on: dict[NodeId, dict[LeaseId, None]] = {}
        for lease in draft.leases.values():
            if lease.state is State.SCHEDULED and not lease.is_spot:
                self.note(lease)

    def note(self, lease: Lease) -> None:
        """It is on these nodes now."""
        for node, _ in lease.placement:
            self._on.setdefault(node, {})[lease.id] = None

    def on(self, node: NodeId) -> dict[LeaseId, Lease]:
        """Those that are in the draft and scheduled there."""
        found = (self._draft.leases.get(id_) for id_ in self._on.get(node, ()))
        return {
            lease.id: lease
            for lease in found
            if lease and lease.state is State.SCHEDULED and any(held == node for held, _ in lease.placement)
        }


def stands_on(draft: Draft, lease: Lease, node: NodeId, at: int) -> bool:
    """Whether it has GPUs of the node at that instant, its gap among it."""
    until = (lease.stops_at or 0) + draft.policy.gap_s
    return (lease.starts_at or 0) <= at < until and any(node == held for held, _ in lease.placement)


def make_way(
    draft: Draft, standing: Lease, others: Iterable[Lease], node: NodeId, at: int, now: Instant
) -> Lease | None:
    """Places one of the others that has GPUs of the node at that instant elsewhere; as it was, or None where none can be.

    Its start is still ahead: what is due is not moved. Meanwhile `standing`, which is not in the draft, stands on its nodes,
    so that nobody comes into its way again.
    """
    lack = dict(standing.placement)[node] - draft.free.at(draft.rows[node], at)
    there = [
        other
        for other in others
        if other.state is State.SCHEDULED and (other.starts_at or 0) > now and stands_on(draft, other, node, at)
    ]
    for other in sorted(there, key=lambda other: _preference(other, node, lack)):
        draft.lift(other.id)
        draft.put(standing)
        moved = elsewhere(draft, other, now)
        draft.lift(standing.id)
        draft.put(moved or other)
        if moved is not None:
            return other
    return None


def by_way_made(draft: Draft, lease: Lease, booked: Booked, now: Instant) -> tuple[Lease, list[LeaseId]] | None:
    """The lease, lifted out, at its own start where nothing is free for it unless others make way, and who did.

    One after the other, each once it has another place: so it finds what a few moves give, not what only moving many at
    once would. None where that is not enough; then everybody is where they were.
    """
    start, _ = _window(draft, lease, now)
    if draft.free_at(start) < lease.gpus:
        return None
    way = _Way(draft=draft, lease=lease, booked=booked, now=now)
    placement = way.placement()
    return None if placement is None else (replace(lease, placement=placement), [was.id for was in way.moved])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """A lease that is lifted out, the nodes that it has so far, and who was moved for it, as they were."""

    draft: Draft
    lease: Lease
    booked: Booked
    now: Instant
    taken: dict[NodeId, int] = field(default_factory=dict[NodeId, int])
    moved: list[Lease] = field(default_factory=list[Lease])

    def placement(self) -> Placement | None:
        for node, share in self._free():
            self.taken[node] = share
        for node in self._lacking():
            while self._rest() and self._more(node):
                pass
        if not self._rest():
            return tuple(sorted(self.taken.items()))
        self._undo(0)
        return None

    def _rest(self) -> int:
        """The GPUs that it has not yet."""
        return self.lease.gpus - sum(self.taken.values())

    def _free(self) -> Iterator[tuple[NodeId, int]]:
        """What it may have without anybody, its own nodes first."""
        own, rest = dict(self.lease.placement), self.lease.gpus
        free = free_over(self.draft, *_window(self.draft, self.lease, self.now))
        for node in sorted(self.draft.rows, key=lambda node: (node not in own, -free[self.draft.rows[node]], node)):
            share = self._share(int(free[self.draft.rows[node]]), rest)
            if share:
                rest -= share
                yield node, share

    def _share(self, free: int, rest: int) -> int:
        """What it takes of a node with so many GPUs free."""
        if isinstance(self.lease.shape, Gang):
            level = self.lease.shape.gpus_per_node
            return level if free >= level and rest else 0
        return min(free, rest)

    def _lacking(self) -> list[NodeId]:
        """The nodes on which others may make way for it, those with the most free first."""
        free = free_over(self.draft, *_window(self.draft, self.lease, self.now))
        nodes = [node for node, known in self.draft.nodes.items() if known.open and self._share(known.capacity, 1)]
        if isinstance(self.lease.shape, Gang):
            nodes = [node for node in nodes if node not in self.taken]
        return sorted(nodes, key=lambda node: (-free[self.draft.rows[node]], node))[:NODES_TRIED]

    def _more(self, node: NodeId) -> bool:
        """Whether it has more of the node than before once others made way; if not, they are where they were."""
        gang, has = isinstance(self.lease.shape, Gang), self.taken.get(node, 0)
        if gang and has:
            return False
        wanted = self.lease.shape.gpus_per_node if isinstance(self.lease.shape, Gang) else has + 1
        before = len(self.moved)
        while (at := self._short(node, wanted)) is not None:
            standing = replace(self.lease, placement=tuple(sorted({**self.taken, node: wanted}.items())))
            was = make_way(self.draft, standing, self.booked.on(node).values(), node, at, self.now)
            if was is None:
                self._undo(before)
                return False
            self.moved.append(was)
            self.booked.note(self.draft.leases[was.id])
        self.taken[node] = has + self._share(self._least(node) - has, self._rest())
        return True

    def _least(self, node: NodeId) -> int:
        return self.draft.free.least(self.draft.rows[node], *_window(self.draft, self.lease, self.now))

    def _short(self, node: NodeId, wanted: int) -> int | None:
        """The first instant at which the node has less than that."""
        begin, end = _window(self.draft, self.lease, self.now)
        at = self.draft.free.steps(self.draft.rows[node]).lasting(begin, wanted, end)
        return at if at < end else None

    def _undo(self, kept: int) -> None:
        while len(self.moved) > kept:
            self.draft.put(self.moved.pop())


def _window(draft: Draft, lease: Lease, now: Instant) -> tuple[int, int]:
    return max(now, lease.starts_at or 0), (lease.stops_at or 0) + draft.policy.gap_s


def _preference(other: Lease, node: NodeId, lack: int) -> tuple[bool, int, int, LeaseId]:
    """One that is enough alone before several; then the one that ends last, which clears the most."""
    share = dict(other.placement)[node]
    return share < lack, -share if share < lack else 0, -(other.stops_at or 0), other.id
