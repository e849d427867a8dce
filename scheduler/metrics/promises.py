"""Promises: how many came due, how many were broken, and how late starts and estimates were. Counted as it happens.

A promise that slips is broken there and then, and the later one that is given for it is another. What is spot is promised nothing.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from scheduler.core.model import State
from scheduler.core.replan import Plan
from scheduler.metrics.rows import counter, counting, histogram, measuring
from scheduler.turns.starts import Started

DUE = counter(
    "dure_promises_due_total",
    "promises",
    "promised starts that came due, those that slipped before included; from 0 for every pool",
    ("pool",),
    "pools",
)
BROKEN = counter(
    "dure_promises_broken_total",
    "promises",
    "of them, those that started more than a second late, slipped, or never started; from 0 for every pool",
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

ROWS = (DUE, BROKEN, SLIPPED, MOVED, NEVER, START_LATENESS, FORECAST)

LATE_S = 1.0


class PromiseCounters:
    """One a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._due, self._broken = counting(DUE, registry), counting(BROKEN, registry)
        self._slips, self._moves = counting(SLIPPED, registry), counting(MOVED, registry)
        self._missed = counting(NEVER, registry)
        self._lateness, self._forecast = measuring(START_LATENESS, registry), measuring(FORECAST, registry)

    def of_pools(self, pools: Iterable[str]) -> None:
        """Begins at 0 with pools that nothing was counted of yet, before anything is: what rises from nothing rises unseen."""
        for pool in pools:
            self._due.labels(pool)
            self._broken.labels(pool)

    def started(self, lease: Started) -> None:
        """A start came due: it was had, or passed in vain, or it slips."""
        if lease.never:
            self._missed.labels(lease.pool).inc()
        elif lease.slipped_because is not None:
            self._slips.labels(lease.pool, lease.slipped_because.value).inc()
        else:
            self._lateness.labels(lease.pool).observe(lease.late_s)
            if lease.unexpected_s is not None:
                self._forecast.labels(lease.pool).observe(lease.unexpected_s)
        if not lease.spot:
            kept = not lease.never and lease.slipped_because is None and lease.late_s <= LATE_S
            self._came_due(lease.pool, kept=kept)

    def planned(self, pool: str, plan: Plan) -> None:
        for move in plan.moves:
            self._moves.labels(pool, move.cause.value).inc()
            if move.slipped_s or move.after.state is State.QUEUED:
                self._slips.labels(pool, move.cause.value).inc()
                if not move.before.is_spot:
                    self._came_due(pool, kept=False)

    def _came_due(self, pool: str, *, kept: bool) -> None:
        self._due.labels(pool).inc()
        self._broken.labels(pool).inc(0 if kept else 1)
