"""What a refused ask could have had instead: the same at another time, less of it, or for shorter; as numbers."""

from dataclasses import dataclass, replace

from scheduler.core.book import Draft
from scheduler.core.calendar import Box, earliest
from scheduler.core.model import Ask, Gang, Instant, Shape, Total
from scheduler.core.shapes import most, resized, size_of
from scheduler.core.walk_in import soon

_Numbers = dict[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    """An ask whose window begins at `lo`; nothing starts after `last`. The draft, which stays as it is, has its company's
    account. `limit_gpus` is the company's quota.
    """

    draft: Draft
    ask: Ask
    now: Instant
    lo: int
    last: int
    limit_gpus: int

    def of_asked(self) -> _Numbers:
        """What would have been granted of the shape that was asked for."""
        return self._of(self.ask.shape)

    def of_largest(self) -> _Numbers:
        """The same of the largest there could ever be, where the one asked for never can."""
        asked, shape = self.ask.shape, self._largest_shape()
        if shape is None:
            return {}
        found = self._of(shape)
        if isinstance(shape, Gang) and isinstance(asked, Gang) and shape.gpus_per_node < asked.gpus_per_node:
            found["instead_gpus_per_node"] = shape.gpus_per_node
        return found

    def largest(self) -> _Numbers:
        """The largest shape of the asked kind that pool and quota could both hold on a good day."""
        nodes, shape = self.draft.good_day, self.ask.shape
        numbers: _Numbers = {"nodes": len(nodes), "largest_gpus_per_node": nodes[0] if nodes else 0}
        if isinstance(shape, Total):
            return numbers | {"largest_gpus": min(sum(nodes), self.limit_gpus)}
        largest = self._gang_nodes(shape)
        return numbers | {"largest_gang_nodes": largest, "largest_gpus": largest * shape.gpus_per_node}

    def _largest_shape(self) -> Shape | None:
        """That shape; a gang that no node can hold a share of takes less of each."""
        shape, nodes = self.ask.shape, [gpus for gpus in self.draft.good_day if gpus]
        if isinstance(shape, Total):
            gpus = min(sum(nodes), self.limit_gpus)
            return Total(gpus=gpus) if gpus else None
        if count := self._gang_nodes(shape):
            return replace(shape, nodes=count)
        count = min(shape.nodes, len(nodes), self.limit_gpus)
        return Gang(nodes=count, gpus_per_node=min(nodes[count - 1], self.limit_gpus // count)) if count else None

    def _gang_nodes(self, shape: Gang) -> int:
        per_node = max(1, shape.gpus_per_node)
        return min(sum(gpus >= per_node for gpus in self.draft.good_day), self.limit_gpus // per_node)

    def _of(self, shape: Shape) -> _Numbers:
        """The shape at another time; at the window's start, less of it or for shorter.

        The other time is the first after the window's start, or else the first from now on. What does not exist is left out.
        """
        lo, duration_s = self.lo, self.ask.duration_s
        start = self._earliest(shape, duration_s, lo, self.last)
        if start is None:
            start = self._earliest(shape, duration_s, self.now, min(lo, self.last))
        size = most(lambda size: self._fits(resized(shape, size), duration_s), size_of(shape))
        longest = most(lambda duration_s: self._fits(shape, duration_s), duration_s)
        found = {
            "earliest_start": start,
            "largest_gpus_now": resized(shape, size).gpus or None,
            "longest_s_now": longest or None,
        }
        return {name: number for name, number in found.items() if number is not None}

    def _fits(self, shape: Shape, duration_s: int) -> bool:
        """At the window's start, within the horizon."""
        in_horizon = self.lo + duration_s <= self.now + self.draft.policy.horizon_s
        return in_horizon and self._earliest(shape, duration_s, self.lo, self.lo) is not None

    def _earliest(self, shape: Shape, duration_s: int, lo: int, hi: int) -> Instant | None:
        near = soon(self.draft.policy, self.now)
        return earliest(self.draft, Box.of(self.draft, self.ask.company, shape, duration_s, soon=near), lo, hi)
