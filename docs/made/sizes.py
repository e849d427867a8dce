"""How many series each process has at most: what the formulas of metrics come to for a fleet of a size."""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Protocol

Sizes = Mapping[str, int]
"""How many there are of each thing that a formula names."""


class Metric(Protocol):
    """What every table's rows have. `series` is a sum of products of numbers and names of sizes: "4 pools + 4"."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def series(self) -> str: ...


def most(metric: Metric, sizes: Sizes) -> int:
    """Series that the metric has at most. Raises KeyError for a size that is not said."""
    sets = sum(prod(_factor(word, sizes) for word in part.split()) for part in metric.series.split("+"))
    return sets * getattr(metric, "each", 1)


def total(metrics: Iterable[Metric], sizes: Sizes) -> int:
    return sum(most(metric, sizes) for metric in metrics)


def formula(metric: Metric) -> str:
    """As it is read."""
    parts = [" × ".join(part.split()) for part in metric.series.split("+")]
    each = getattr(metric, "each", 1)
    if each == 1:
        return " + ".join(parts)
    return f"{each}" if parts == ["1"] else f"{each} × {' + '.join(parts)}"


def _factor(word: str, sizes: Sizes) -> int:
    return int(word) if word.isdigit() else sizes[word]
