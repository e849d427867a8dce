"""What the courier counts, and how many webhooks and deliveries there are; from the leading scheduler alone."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from dure.errors import Unavailable
from scheduler.metrics.reading import Reader
from scheduler.metrics.rows import alone, by_one, counter, counting, family, gauge, histogram, measuring
from scheduler.store import deliveries
from scheduler.store.db import Database

WEBHOOKS = gauge("dure_webhooks", "webhooks", "webhooks by state: active, failing, disabled", ("state",), "3")
DELIVERIES = counter(
    "dure_webhook_deliveries_total",
    "deliveries",
    "what was sent to webhooks: `delivered`, `failed` (it is sent again), `given_up`",
    ("outcome",),
    "3",
)
PENDING = gauge("dure_webhook_deliveries_pending", "deliveries", "deliveries that wait to be sent, or to be sent again")
UNSENT = gauge(
    "dure_webhook_unsent_age_seconds",
    "seconds",
    "age of the oldest event that a working webhook was not sent yet, not even once, 0 for none: more than a few seconds is an alarm",
)
LAG = histogram(
    "dure_webhook_delivery_lag_seconds",
    "seconds",
    "from an event to its being taken",
    buckets=(1, 2, 3, 5, 10, 30, 60, 300, 1800, 7200, 36_000, 86_400, 259_200),
)
TOOK = histogram(
    "dure_webhook_request_duration_seconds",
    "seconds",
    "how long webhooks took to answer, or to fail",
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)

ROWS = (WEBHOOKS, DELIVERIES, PENDING, UNSENT, LAG, TOOK)


class DeliveryCounters:
    """Events of the courier."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._deliveries = counting(DELIVERIES, registry)
        self._lag, self._took = measuring(LAG, registry), measuring(TOOK, registry)

    def delivered(self, *, lag_s: float, took_s: float) -> None:
        self._deliveries.labels("delivered").inc()
        self._lag.observe(max(0.0, lag_s))
        self._took.observe(took_s)

    def failed(self, *, given_up: bool, took_s: float) -> None:
        self._deliveries.labels("given_up" if given_up else "failed").inc()
        self._took.observe(took_s)


class WebhookCollector(Collector):
    """While `leads()` says so. A database that is away is said by the fleet's series."""

    def __init__(
        self, db: Database, now: Callable[[], float], leads: Callable[[], bool], *, reader: Reader | None = None
    ) -> None:
        self._reader, self._now, self._leads = reader or Reader(db), now, leads

    def collect(self) -> Iterator[Metric]:
        if not self._leads():
            return
        try:
            found = self._reader.read(lambda session: deliveries.standing(session, now=self._now()))
        except Unavailable:
            return
        yield family(WEBHOOKS, by_one(found.webhooks))
        yield alone(PENDING, found.pending)
        yield alone(UNSENT, found.unsent_age_s)
