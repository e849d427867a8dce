"""One metric as a frozen row, and what is made from it: objects that count, and families that are collected.

Nothing is exposed that has no row: `scheduler.metrics.table` and `api.series` are all that there is, and docs/metrics.md repeats them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Kind = Literal["gauge", "counter", "histogram"]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`name` is as it is exposed, a counter's with `_total`; `unit` is what its value counts, a base unit.

    `series` is how many series it has at most: a sum of products of numbers and of sizes by name, as "4 pools + 4". A histogram has as
    many for each of them as it has buckets, and three more.
    """

    name: str
    kind: Kind
    unit: str
    about: str
    labels: tuple[str, ...] = ()
    series: str = "1"
    buckets: tuple[float, ...] = ()

    @property
    def each(self) -> int:
        """How many series there are of each set of labels: a histogram also has +Inf, its sum and its count."""
        return len(self.buckets) + 3 if self.kind == "histogram" else 1


def gauge(name: str, unit: str, about: str, labels: tuple[str, ...] = (), series: str = "1") -> Row:
    return Row(name=name, kind="gauge", unit=unit, about=about, labels=labels, series=series)


def counter(name: str, unit: str, about: str, labels: tuple[str, ...] = (), series: str = "1") -> Row:
    return Row(name=name, kind="counter", unit=unit, about=about, labels=labels, series=series)


def histogram(
    name: str,
    unit: str,
    about: str,
    labels: tuple[str, ...] = (),
    series: str = "1",
    *,
    buckets: tuple[float, ...] = SECONDS,
) -> Row:
    return Row(name=name, kind="histogram", unit=unit, about=about, labels=labels, series=series, buckets=buckets)


def counting(row: Row, registry: CollectorRegistry) -> Counter:
    """What counts it."""
    disable_created_metrics()
    return Counter(row.name, row.about, row.labels, registry=registry)


def measuring(row: Row, registry: CollectorRegistry) -> Histogram:
    """What observes it."""
    disable_created_metrics()
    return Histogram(row.name, row.about, row.labels, buckets=row.buckets, registry=registry)


def showing(row: Row, registry: CollectorRegistry) -> Gauge:
    """What is set to it."""
    return Gauge(row.name, row.about, row.labels, registry=registry)


def family(row: Row, values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    """Its series as they are now, in order."""
    kind = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
    made = kind(row.name, row.about, labels=row.labels)
    for labels, value in sorted(values):
        made.add_metric(labels, value)
    return made


def by_one(values: Mapping[str, float]) -> Iterable[tuple[tuple[str], float]]:
    """Of values by the only label."""
    return (((label,), value) for label, value in values.items())


def alone(row: Row, value: float | None) -> Metric:
    """A gauge without labels; without a series where the value is not known."""
    return family(row, [] if value is None else [((), value)])
