"""Single leases, from ask to receipt."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from scheduler.metrics.rows import alone, family, gauge
from scheduler.store.snapshot.leases import Leases

INFO = gauge(
    "dure_lease_info",
    "1",
    "a lease that is open, or ended in the last 15 minutes; always 1. Of more than 1,000 the newest are told, here and below",
    ("lease", "company", "pool", "tier", "purpose", "state"),
    "leases",
)
GPUS = gauge("dure_lease_gpus", "GPUs", "GPUs that it is of", ("lease",), "leases")
AT = gauge(
    "dure_lease_timestamp_seconds",
    "seconds",
    "its instants, those that it has: `asked`, `promised`, `starts` (its slot), `started`, `ends` (as things are), `ended`",
    ("lease", "at"),
    "6 leases",
)
GPU_SECONDS = gauge(
    "dure_lease_receipt_gpu_seconds",
    "GPU-seconds",
    "its GPU-seconds: `leased`, `busy`, `idle` and `lost` as in dure_lease_gpu_seconds_total, and `committed`, `charged` and `refunded` in the"
    " ledger; busy and idle have no series while nobody measured any",
    ("lease", "kind"),
    "7 leases",
)
LEFT_OUT = gauge(
    "dure_leases_left_out", "leases", "older ones that are not told one by one, as there are more than 1,000"
)

ROWS = (INFO, GPUS, AT, GPU_SECONDS, LEFT_OUT)


def families(found: Leases) -> Iterator[Metric]:
    shown = found.shown
    yield family(INFO, (((one.lease, one.company, one.pool, one.tier, one.purpose, one.state), 1) for one in shown))
    yield family(GPUS, (((one.lease,), one.gpus) for one in shown))
    yield family(AT, (((one.lease, at), value) for one in shown for at, value in one.at.items()))
    yield family(GPU_SECONDS, (((one.lease, kind), value) for one in shown for kind, value in one.gpu_seconds.items()))
    yield alone(LEFT_OUT, found.left_out)
