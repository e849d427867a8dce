"""What the courier counts, and how many webhooks and deliveries there are; from the leading scheduler alone."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dure.errors import Unavailable
from scheduler.store import deliveries
from scheduler.store.db import Database

LAG_S = (1, 2, 3, 5, 10, 30, 60, 300, 1800, 7200, 36_000, 86_400, 259_200)
TOOK_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class DeliveryCounters:
    """Events of the courier."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._deliveries = Counter(
            "dure_webhook_deliveries", "Deliveries that were sent, by outcome.", ["outcome"], registry=registry
        )
        self._lag = Histogram(
            "dure_webhook_delivery_lag_seconds",
            "From when an event happened to when a webhook took it.",
            buckets=LAG_S,
            registry=registry,
        )
        self._took = Histogram(
            "dure_webhook_request_duration_seconds",
            "How long the address took to answer, or to fail.",
            buckets=TOOK_S,
            registry=registry,
        )

    def delivered(self, *, lag_s: float, took_s: float) -> None:
        self._deliveries.labels("delivered").inc()
        self._lag.observe(max(0.0, lag_s))
        self._took.observe(took_s)

    def failed(self, *, given_up: bool, took_s: float) -> None:
        self._deliveries.labels("given_up" if given_up else "failed").inc()
        self._took.observe(took_s)


class WebhookCollector(Collector):
    """While `leads()` says so. A database that is away is said by the fleet's series."""

    def __init__(self, db: Database, now: Callable[[], float], leads: Callable[[], bool]) -> None:
        self._db, self._now, self._leads = db, now, leads

    def collect(self) -> Iterator[Metric]:
        if not self._leads():
            return
        try:
            with self._db.snapshot() as session:
                found = deliveries.standing(session, now=self._now())
        except Unavailable:
            return
        webhooks = GaugeMetricFamily("dure_webhooks", "Webhooks by state.", labels=["state"])
        for state, count in sorted(found.webhooks.items()):
            webhooks.add_metric([state], count)
        yield webhooks
        yield GaugeMetricFamily(
            "dure_webhook_deliveries_pending", "Deliveries that wait to be sent, or sent again.", value=found.pending
        )
        yield GaugeMetricFamily(
            "dure_webhook_unsent_age_seconds",
            "Age of the oldest event that was not sent to a working webhook yet, not even once; 0 for none.",
            value=found.unsent_age_s,
        )
