"""Nodes and GPUs."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from scheduler.metrics.rows import by_one, counter, family, gauge
from scheduler.store.snapshot.fleet import Fleet

GPUS = gauge(
    "dure_gpus",
    "GPUs",
    "GPUs; each is in one of free, draining (it would be free, and its node is out of service), leased, cleaning, quarantined, unhealthy,"
    " unknown, or unpooled, which has no pool",
    ("pool", "state"),
    "7 pools + 1",
)
NODES = gauge(
    "dure_nodes",
    "nodes",
    "nodes by the pools that they give GPUs to, empty for those that give none, in one of enrolled, ok, unknown (silent), and draining: out of"
    " service on purpose, whatever else they are",
    ("pool", "state"),
    "4 pools + 4",
)
UNPROVED = gauge(
    "dure_gpus_unproved",
    "GPUs",
    "GPUs that are quarantined because they were not proved empty by the end of the gap: any is an alarm",
    ("pool",),
    "pools",
)
HEARD = gauge(
    "dure_node_last_report_timestamp_seconds",
    "seconds",
    "when the node last reported (its enrolment, if it never did)",
    ("node",),
    "nodes",
)
AGE = gauge("dure_node_report_age_seconds", "seconds", "seconds since then", ("node",), "nodes")
UNSERVED = gauge(
    "dure_pools_unserved",
    "1",
    "1 for a pool whose cluster no scheduler is told of, so that nobody enforces its leases: any is an alarm",
    ("pool", "cluster"),
    "pools",
)
VIOLATIONS = gauge(
    "dure_violations",
    "violations",
    "those who are on a GPU that [no lease explains](kubernetes.md#who-is-on-a-gpu-without-a-lease), by what they are: `process`, or"
    " `pod` by the kubelet's record; any is an alarm, and `dure violations` says who",
    ("pool", "kind"),
    "2 pools + 2",
)
VIOLATED = counter("dure_violations_found_total", "violations", "those who ever were", ("pool", "kind"), "2 pools + 2")

ROWS = (GPUS, NODES, UNPROVED, HEARD, AGE, UNSERVED, VIOLATIONS, VIOLATED)


def families(found: Fleet, now: float) -> Iterator[Metric]:
    yield family(GPUS, found.gpus.items())
    yield family(NODES, found.nodes.items())
    yield family(UNPROVED, by_one(found.unproved))
    yield family(HEARD, by_one(found.heard))
    yield family(AGE, by_one({node: max(0.0, now - at) for node, at in found.heard.items()}))
    yield family(UNSERVED, ((pool, 1) for pool in found.unserved))
    yield family(VIOLATIONS, found.violations.items())
    yield family(VIOLATED, found.violated.items())
