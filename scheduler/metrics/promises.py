"""Promises: how many came due, how many were broken, and how late starts and estimates were.

What became of promises is counted in the database (`scheduler.core.promises`), so that the same is told whoever leads and whoever planned; how
late starts were is counted by each process as it happens.
"""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from scheduler.core.promises import Happened
from scheduler.metrics.rows import Row, counter, family, histogram, measuring
from scheduler.turns.starts import Started

DUE = counter(
    "dure_promises_due_total",
    "promises",
    "promised starts that came due, those that slipped before included",
    ("pool",),
    "pools",
)
BROKEN = counter(
    "dure_promises_broken_total",
    "promises",
    "of them, those that started more than a second late, slipped, or never started",
    ("pool",),
    "pools",
)
SLIPPED = counter(
    "dure_promises_slipped_total",
    "promises",
    "promises that got later, or went back to the queue, because capacity was lost",
    ("pool", "cause"),
    "causes pools",
)
MOVED = counter(
    "dure_leases_moved_total",
    "leases",
    "scheduled leases that a re-plan gave another slot or other nodes",
    ("pool", "cause"),
    "causes pools",
)
NEVER = counter(
    "dure_leases_never_started_total",
    "leases",
    "leases whose whole box passed before they could start",
    ("pool",),
    "pools",
)
START_LATENESS = histogram(
    "dure_lease_start_lateness_seconds", "seconds", "how long after their promise leases started", ("pool",), "pools"
)
FORECAST_S = (1, 10, 60, 300, 900, 3600, 10_800, 43_200, 86_400)
FORECAST = histogram(
    "dure_forecast_error_seconds",
    "seconds",
    "how far starts were from what was expected of them when they were asked for, earlier or later; of those of which something was",
    ("pool",),
    "pools",
    buckets=FORECAST_S,
)

COUNTED: Mapping[Happened, Row] = {
    Happened.DUE: DUE,
    Happened.BROKEN: BROKEN,
    Happened.SLIPPED: SLIPPED,
    Happened.MOVED: MOVED,
    Happened.NEVER: NEVER,
}
ROWS = (*COUNTED.values(), START_LATENESS, FORECAST)


class StartCounters:
    """What a process counts of starts: how far they were from their promises, and from what was expected. One a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lateness, self._forecast = measuring(START_LATENESS, registry), measuring(FORECAST, registry)

    def started(self, lease: Started) -> None:
        """A start came due: it was had, or passed in vain, or it slips."""
        if lease.never or lease.slipped_because is not None:
            return
        self._lateness.labels(lease.pool).observe(lease.late_s)
        if lease.unexpected_s is not None:
            self._forecast.labels(lease.pool).observe(lease.unexpected_s)


def families(found: Mapping[Happened, Mapping[tuple[str, ...], int]]) -> Iterator[Metric]:
    """What became of promises since the database was made."""
    for kind, row in COUNTED.items():
        yield family(row, found[kind].items())
