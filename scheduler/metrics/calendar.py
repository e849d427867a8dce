"""Leases by state, what starts and ends next, and the queue."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from scheduler.metrics.rows import by_one, family, gauge
from scheduler.store.snapshot.calendar import Calendar

LEASES = gauge(
    "dure_leases", "leases", "leases and asks by state, those that ever were included", ("pool", "state"), "8 pools"
)
OVERDUE = gauge(
    "dure_leases_overdue",
    "leases",
    "active leases past their end: more than 0 for long is an alarm",
    ("pool",),
    "pools",
)
DEGRADED = gauge(
    "dure_leases_degraded",
    "leases",
    "running leases that are without some of their GPUs, which is [refunded](ledger.md#what-was-lost)",
    ("pool",),
    "pools",
)
DUE = gauge(
    "dure_gpus_due",
    "GPUs",
    "GPUs of leases that start or end within that time, those that are late included; `within` is 15m, 1h or 24h",
    ("pool", "edge", "within"),
    "6 pools",
)
NEXT = gauge(
    "dure_edge_next_timestamp_seconds",
    "seconds",
    "when the next lease starts or ends, which is past for one that is late; no series where none does",
    ("pool", "edge"),
    "2 pools",
)
SLACK = gauge(
    "dure_promise_slack_seconds",
    "seconds",
    "the least that the slots of scheduled leases are before their promised starts; no series without any",
    ("pool",),
    "pools",
)
QUEUE_GPUS = gauge("dure_queue_gpus", "GPUs", "GPUs that queued asks want", ("pool",), "pools")
QUEUE_ASKS = gauge("dure_queue_asks", "asks", "asks that are queued", ("pool",), "pools")
QUEUE_AGE = gauge(
    "dure_queue_oldest_age_seconds",
    "seconds",
    "how long the oldest of them has waited; 0 where none waits",
    ("pool",),
    "pools",
)

ROWS = (LEASES, OVERDUE, DEGRADED, DUE, NEXT, SLACK, QUEUE_GPUS, QUEUE_ASKS, QUEUE_AGE)


def families(found: Calendar) -> Iterator[Metric]:
    yield family(LEASES, found.leases.items())
    yield family(OVERDUE, by_one(found.overdue))
    yield family(DEGRADED, by_one(found.degraded))
    yield family(DUE, found.due.items())
    yield family(NEXT, found.edges.items())
    yield family(SLACK, by_one(found.slack_s))
    yield family(QUEUE_GPUS, by_one({pool: queue.gpus for pool, queue in found.queues.items()}))
    yield family(QUEUE_ASKS, by_one({pool: queue.asks for pool, queue in found.queues.items()}))
    yield family(QUEUE_AGE, by_one({pool: queue.oldest_age_s for pool, queue in found.queues.items()}))
