"""Where an ask's box fits in its window, and how good each such place in time is.

Everything is asked of the calendar by the same question that decides asks.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from scheduler.core.book import Draft
from scheduler.core.budget import Standing
from scheduler.core.calendar import Box, earliest, fits, free_over
from scheduler.core.model import Ask, Instant, Node, Placement, Purpose, Shape
from scheduler.core.placement import place
from scheduler.core.quota import FOR_EVER
from scheduler.core.walk_in import AHEAD, soon

TRIED = 48
"""Instants that windows are looked for from on, at most: every so many of those at which something changes."""


class PlacementClass(StrEnum):
    """How near to each other the nodes of a placement stand, by their labels."""

    ONE_NODE = "one_node"
    ONE_ISLAND = "one_island"
    ONE_RACK = "one_rack"
    SEVERAL_RACKS = "several_racks"
    UNLABELLED = "unlabelled"
    """Several nodes, and nobody has said where one of them stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A shape at a time, and what it would take.

    `quota_left` is what the company's quota leaves beside it at the tightest, `free_beside` the GPUs of its own nodes
    that are nobody's while it lasts, `strands` what it makes the pool strand by the table `Book.stranded`.
    """

    shape: Shape
    start: Instant
    end: Instant
    placement: Placement
    placement_class: PlacementClass
    islands: int
    racks: int
    strands: int
    free_beside: int
    quota_left: int

    @property
    def gpu_seconds(self) -> int:
        """What it takes of the company's account."""
        return self.shape.gpus * (self.end - self.start)

    def standing(self, purpose: Purpose) -> tuple[int, ...]:
        """The less, the better it is placed: for training on the fewest islands, racks and nodes, for inference spread
        over the most nodes, islands and racks; then what strands least, then what fills its nodes, then the soonest.
        """
        domains = (self.islands, self.racks, len(self.placement))
        if purpose is Purpose.INFERENCE:
            domains = (-len(self.placement), -self.islands, -self.racks)
        return (*domains, self.strands, self.free_beside, self.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The windows of an ask from `lo` on. The draft has an account for its company, and stays as it is."""

    draft: Draft
    ask: Ask
    now: Instant
    lo: int

    def last(self, shape: Shape, duration_s: int) -> int:
        """The latest start of a box like that, by the horizon, the ask, and how far and how much its company may book."""
        company, last = self.ask.company, self.now + self.draft.policy.horizon_s - duration_s
        if self.ask.start_by is not None:
            last = min(last, self.ask.start_by)
        if (quota := self.draft.quotas.get(company)) is None:
            return last
        standing = self.draft.standing(company) or Standing()
        return min(last, quota.last_start(self.now, standing.ahead_gpu_seconds + shape.gpus * duration_s))

    def first(self, shape: Shape, duration_s: int, lo: int = 0, by: int = FOR_EVER) -> Instant | None:
        """The first start in `[lo, by]`."""
        return earliest(
            self.draft, self._box(shape, duration_s), max(lo, self.lo), min(by, self.last(shape, duration_s))
        )

    def fits(self, shape: Shape, duration_s: int, start: int) -> bool:
        return start <= self.last(shape, duration_s) and fits(self.draft, self._box(shape, duration_s), start)

    def starts(self) -> list[Instant]:
        """Different starts of the whole ask: the first, and the first from each of some instants on at which something
        changes on a node or for the company.
        """
        ask, found = self.ask, list[Instant]()
        for lo in (self.lo, *self._changes()):
            if found and lo <= found[-1]:
                continue
            start = self.first(ask.shape, ask.duration_s, lo)
            if start is None:
                break
            found.append(start)
        return found

    def window(self, shape: Shape, duration_s: int, start: Instant) -> Window:
        """What it would be to start then, where it fits."""
        draft, end = self.draft, Instant(start + duration_s)
        blocked = end + draft.policy.gap_s
        placement = place(draft, shape, start, blocked, self.ask.purpose)
        free = free_over(draft, start, blocked)
        shares = [(int(free[draft.rows[node]]), gpus) for node, gpus in placement]
        nodes = [draft.nodes[node] for node, _ in placement]
        return Window(
            shape=shape,
            start=start,
            end=end,
            placement=placement,
            placement_class=_class(nodes),
            islands=_count(nodes, lambda node: (node.rack, node.island)),
            racks=_count(nodes, lambda node: (node.rack,)),
            strands=sum(self._stranded(has - gpus) - self._stranded(has) for has, gpus in shares),
            free_beside=sum(has - gpus for has, gpus in shares),
            quota_left=draft.limits.least(draft.account(self.ask.company), start, end) - shape.gpus,
        )

    def _box(self, shape: Shape, duration_s: int) -> Box:
        return Box.of(self.draft, self.ask.company, shape, duration_s, soon=soon(self.draft.policy, self.now))

    def _changes(self) -> list[int]:
        free, limits = self.draft.free, self.draft.limits
        rows = [self.draft.account(self.ask.company)]
        if self.draft.policy.walk_in_ppm:
            rows.append(AHEAD)
        times = np.union1d(free.instants(), limits.instants(rows))
        inside = times[(times > self.lo) & (times <= self.last(self.ask.shape, self.ask.duration_s))]
        return inside[:: max(1, -(-inside.size // TRIED))].tolist()

    def _stranded(self, free: int) -> int:
        table = self.draft.stranded
        return int(table[min(free, table.size - 1)])


def _count(nodes: Iterable[Node], domain: Callable[[Node], tuple[str, ...]]) -> int:
    return len({domain(node) for node in nodes})


def _class(nodes: list[Node]) -> PlacementClass:
    if len(nodes) == 1:
        return PlacementClass.ONE_NODE
    if not all(node.rack or node.island for node in nodes):
        return PlacementClass.UNLABELLED
    if _count(nodes, lambda node: (node.rack,)) > 1:
        return PlacementClass.SEVERAL_RACKS
    same = _count(nodes, lambda node: (node.island,)) == 1
    return PlacementClass.ONE_ISLAND if same and nodes[0].island else PlacementClass.ONE_RACK
