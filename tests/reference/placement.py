"""Which node a share gets, and where the GPUs of a total are spread, said readably in plain Python: the reference that the
compiled choice and the counting are compared with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from scheduler.core.steps import Steps, lowest

PARTS = 40
"""Of a GPU: what is counted. Less than one makes no difference but that it is more than nothing."""

NEVER = (1 << 17) - 1


def strands(free: int, asked: Mapping[int, int]) -> int:
    """Parts of a GPU that so many free ones are expected to strand, rounded up: each for every ask that they do not hold."""
    asks = sum(asked.values())
    lost = sum(Fraction(times * free, asks) for size, times in asked.items() if size > free)
    return math.ceil(lost * PARTS)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Nodes by their free GPUs over time, and how often each size is asked for on them."""

    free: Sequence[Steps]
    asked: Mapping[int, int]

    def best(self, gpus: int, start: int, end: int) -> int | None:
        """The node that strands least more, then the fullest, then the one where something changes nearest to the end."""
        has = [lowest(steps.times, steps.values, start, end) for steps in self.free]
        fitting = [node for node, free in enumerate(has) if free >= gpus]
        return min(fitting, key=lambda node: (*self.order(has[node], gpus), self.near(node, start, end)), default=None)

    def order(self, free: int, gpus: int) -> tuple[int, int]:
        return strands(free - gpus, self.asked) - strands(free, self.asked), free

    def near(self, node: int, start: int, end: int) -> int:
        """Seconds from the end to the nearest change; what is before the start is as good as past."""
        return min((abs(at - end) for at in self.free[node].times if at > start), default=NEVER)


def spread(nodes: Sequence[tuple[tuple[str, str], int]], gpus: int) -> dict[int, int]:
    """Nodes by their (rack, island) and free GPUs: each GPU where the rack has fewest so far, then the island, then where
    most is left.
    """
    taken: list[int] = []

    def order(node: int) -> tuple[int, int, int, int]:
        (rack, island), free = nodes[node]
        in_rack = sum(nodes[one][0][0] == rack for one in taken)
        on_island = sum(nodes[one][0] == (rack, island) for one in taken)
        return in_rack, on_island, taken.count(node) - free, node

    for _ in range(gpus):
        taken.append(min((node for node, (_, free) in enumerate(nodes) if taken.count(node) < free), key=order))
    return {node: taken.count(node) for node in sorted(set(taken))}
