"""What this replica counts of its own requests. Fleet and lease series come from the scheduler, never from here.

Labels are route templates and permanent codes, so that no request can make a new series.
"""

import platform
from importlib.metadata import version

from prometheus_client import CollectorRegistry, ProcessCollector

from api import series
from dure import wire
from scheduler.metrics.database import TRANSACTION
from scheduler.metrics.decisions import DecisionCounters
from scheduler.metrics.page import written
from scheduler.metrics.rows import counting, measuring, showing

Exemplar = dict[str, str]
"""By what a person finds the request that a measurement is of: its trace, or its id in the log."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """One registry an app, so that two apps in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests, self._seconds = (
            counting(series.REQUESTS, self.registry),
            measuring(series.SECONDS, self.registry),
        )
        self._decisions = DecisionCounters(self.registry)
        self.of_plan = self._decisions.of_plan
        self._transactions = measuring(TRANSACTION, self.registry)
        self._streams, self._ended = (
            showing(series.STREAMS, self.registry),
            counting(series.STREAMS_ENDED, self.registry),
        )
        self._reports, self._together = (
            counting(series.REPORTS, self.registry),
            measuring(series.TOGETHER, self.registry),
        )
        self._reports_wait = showing(series.WAITING, self.registry)
        showing(series.BUILD, self.registry).labels(version("dure"), platform.python_version()).set(1)

    def answered(self, *, route: str, method: str, status: int, seconds: float, exemplar: Exemplar) -> None:
        """`route` is the template, never the address that was asked for."""
        method = method if method in METHODS else "other"
        self._requests.labels(route, method, status).inc()
        self._seconds.labels(route, method).observe(seconds, exemplar)

    def decided(self, lease: wire.Lease, *, took_s: float, exemplar: Exemplar) -> None:
        """A decision that was committed."""
        decision = lease.decision
        self._decisions.decided(lease.pool, decision.outcome, decision.code)
        refers = exemplar if decision.id is None else {**exemplar, "decision": decision.id}
        self._decisions.took.labels(lease.pool).observe(took_s, refers)

    def transaction(self, took_s: float) -> None:
        self._transactions.observe(took_s)

    def report(self, outcome: str) -> None:
        """`taken`, `whole_wanted`, `refused` or `turned_away`."""
        self._reports.labels(outcome).inc()

    def reports_together(self, count: int) -> None:
        self._together.observe(count)

    def reports_wait(self, count: int) -> None:
        self._reports_wait.set(count)

    def streams(self, count: int) -> None:
        self._streams.set(count)

    def stream_ended(self, reason: str) -> None:
        self._ended.labels(reason).inc()

    def render(self, accepts: str) -> tuple[bytes, str]:
        """In the format that is accepted, and what that is called: OpenMetrics has exemplars, Prometheus' text has none."""
        return written(self.registry, accepts)
