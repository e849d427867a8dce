"""From single times to figures: percentiles, rates, and how many times a floor something takes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Timed", "median", "percentile", "times"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """Every single time in milliseconds, and over how many seconds they were taken, by all clients together."""

    each_ms: Sequence[float]
    wall_s: float

    @property
    def p50_ms(self) -> float:
        return percentile(self.each_ms, 50)

    @property
    def p99_ms(self) -> float:
        return percentile(self.each_ms, 99)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.each_ms) / self.wall_s


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all do not exceed: one that was measured, never one in between."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def times(value: float, floor: float) -> float:
    """How many times the floor."""
    return value / floor
