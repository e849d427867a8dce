"""What the compiled calendar answers, said readably in plain Python: the reference that it is compared with."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from scheduler.core.model import Gang, Instant, Node, NodeId, Placement, Shape
from scheduler.core.steps import Steps, lowest
from tests.reference import sweep

Booking = tuple[Placement, int, int]
"""A placement held over `[start, end)`."""

_EMPTY = Steps.flat(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Free GPUs of each node as a step function: its capacity less what is booked, below zero where capacity was lost."""

    nodes: Mapping[NodeId, Node]
    free: Mapping[NodeId, Steps]

    @classmethod
    def of(cls, nodes: Iterable[Node]) -> "Calendar":
        return cls(nodes={}, free={}).put_nodes(nodes)

    def book(self, placement: Placement, start: int, end: int) -> "Calendar":
        """Takes the placement's GPUs over `[start, end)`. A node that is not known yet counts as one without GPUs."""
        return self.change(book=[(placement, start, end)])

    def unbook(self, placement: Placement, start: int, end: int) -> "Calendar":
        """Gives back what `book` took with the same arguments."""
        return self.change(unbook=[(placement, start, end)])

    def change(self, *, book: Iterable[Booking] = (), unbook: Iterable[Booking] = ()) -> "Calendar":
        """Many bookings at once, for one copy."""
        free = dict(self.free)
        for sign, bookings in ((1, unbook), (-1, book)):
            for placement, start, end in bookings:
                for node, gpus in placement:
                    free[node] = free.get(node, _EMPTY).add(start, end, sign * gpus)
        return replace(self, free=free)

    def put_node(self, node: Node) -> "Calendar":
        """Adds or replaces a node; what is booked on it stays. A node that is gone has capacity 0."""
        return self.put_nodes([node])

    def put_nodes(self, nodes: Iterable[Node]) -> "Calendar":
        known, free = dict(self.nodes), dict(self.free)
        for node in nodes:
            had = known[node.id].capacity if node.id in known else 0
            free[node.id] = free.get(node.id, _EMPTY).shift(node.capacity - had)
            known[node.id] = node
        return Calendar(nodes=known, free=free)

    def since(self, now: int) -> "Calendar":
        """Forgets the past; answers for `now` and later stay the same."""
        return replace(self, free={node: steps.since(now) for node, steps in self.free.items()})

    def open_nodes(self) -> list[tuple[NodeId, Steps]]:
        """The nodes on which something may start, with what is free on them, in order of their ids."""
        return [(node, self.free[node]) for node in sorted(self.nodes) if self.nodes[node].open]

    def free_at(self, instant: int) -> int:
        """GPUs free on open nodes at that instant."""
        return sum(max(0, steps.at(instant)) for _, steps in self.open_nodes())

    def earliest(
        self,
        shape: Shape,
        length: int,
        lo: int,
        hi: int,
        limit: Steps | None = None,
        limit_level: int = 0,
        limit_length: int = 0,
    ) -> Instant | None:
        """The first start in `[lo, hi]` with the shape free for `length` seconds (1 or more), None without one.

        With a `limit`, that must also be at least `limit_level` for `limit_length` seconds from the start on.
        """
        allowed = [(lo, hi)] if limit is None else limit.starts(limit_level, limit_length, lo, hi)
        if not allowed or lo > hi:
            return None
        lo, hi = allowed[0][0], allowed[-1][1]
        needed = shape.nodes if isinstance(shape, Gang) else shape.gpus
        profiles = self._profiles()
        if _offered_at(profiles, shape, lo, length) >= needed:
            return Instant(lo)
        if lo == hi:
            return None
        found = sweep.first(sweep.edges(_layers(profiles, shape), length, lo, hi), needed, allowed)
        return None if found is None else Instant(found)

    def _profiles(self) -> dict[sweep.Profile, int]:
        """How many open nodes have which free GPUs over time: a thousand empty nodes are one."""
        counts: dict[sweep.Profile, int] = {}
        for node, steps in self.free.items():
            if node in self.nodes and self.nodes[node].open:
                profile = (steps.times, steps.values)
                counts[profile] = counts.get(profile, 0) + 1
        return counts


def _layers(profiles: Mapping[sweep.Profile, int], shape: Shape) -> Iterator[sweep.Layer]:
    """What each profile can offer: a gang counts nodes, a total counts every GPU up to the highest value."""
    for profile, count in profiles.items():
        if isinstance(shape, Gang):
            yield profile, shape.gpus_per_node, count
            continue
        below = 0
        for level in sorted(set(profile[1])):
            if level > 0:
                yield profile, level, (level - below) * count
                below = level


def _offered_at(profiles: Mapping[sweep.Profile, int], shape: Shape, start: int, length: int) -> int:
    """The nodes of a gang, or the GPUs of a total, that are free over `[start, start + length)`."""
    offered = 0
    for (times, values), count in profiles.items():
        least = lowest(times, values, start, start + length)
        if isinstance(shape, Gang):
            offered += count if least >= shape.gpus_per_node else 0
        elif least > 0:
            offered += count * least
    return offered
