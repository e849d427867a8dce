"""What this replica counts of its own requests. Fleet and lease series come from the scheduler, never from here.

Labels are route templates and permanent codes, so that no request can make a new series.
"""

import platform
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from dure import wire

BUCKETS_S = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """One registry an app, so that two apps in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        labels = ("route", "method")
        self._requests = Counter("dure_api_requests", "Requests answered.", (*labels, "status"), registry=self.registry)
        self._seconds = Histogram(
            "dure_api_request_duration_seconds",
            "From the first byte of a request to the last of its answer.",
            labels,
            registry=self.registry,
            buckets=BUCKETS_S,
        )
        self._decisions = Counter(
            "dure_decisions", "Asks decided when they arrived.", ("pool", "outcome", "code"), registry=self.registry
        )
        self._streams = Gauge("dure_api_event_streams", "Event streams that are open.", registry=self.registry)
        self._ended = Counter(
            "dure_api_event_streams_ended", "Event streams that ended, by reason.", ("reason",), registry=self.registry
        )
        self._reports = Counter(
            "dure_api_reports", "Reports of nodes, by what became of them.", ("outcome",), registry=self.registry
        )
        self._together = Histogram(
            "dure_api_reports_together",
            "Reports that shared a transaction.",
            registry=self.registry,
            buckets=(1, 2, 4, 8, 16, 32, 64),
        )
        self._reports_wait = Gauge(
            "dure_api_reports_waiting", "Reports that wait to be taken in, or are under way.", registry=self.registry
        )
        info = Gauge("dure_build_info", "1, labelled with what runs.", ("version", "python"), registry=self.registry)
        info.labels(version("dure"), platform.python_version()).set(1)

    def answered(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """`route` is the template, never the address that was asked for."""
        method = method if method in METHODS else "other"
        self._requests.labels(route, method, status).inc()
        self._seconds.labels(route, method).observe(seconds)

    def decided(self, lease: wire.Lease) -> None:
        """A decision that was committed."""
        self._decisions.labels(lease.pool, lease.decision.outcome, lease.decision.code).inc()

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

    def render(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)
