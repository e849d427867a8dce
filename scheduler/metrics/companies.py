"""Companies: what they hold, their shares, their budgets, and what they used."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric

from scheduler.metrics.rows import counter, family, gauge
from scheduler.store.metric_totals import TOLD_S
from scheduler.store.snapshot.companies import Budget, Companies, Pair

OF = ("company", "pool")

GPUS = gauge(
    "dure_company_gpus",
    "GPUs",
    "GPUs of a company: `held` by leases that run, `booked` by those that are scheduled, `queued` in asks that wait",
    (*OF, "state"),
    "3 pairs",
)
QUOTA = gauge("dure_quota_gpus", "GPUs", "GPUs that a company may hold at once", OF, "pairs")
ENTITLED = gauge(
    "dure_share_entitled_ratio",
    "ratio",
    "a company's part of what all were entitled to of a pool, 0 to 1, as [fairness](fairness.md) counts it: what is longer ago than the"
    " half-life counts less; no series in a pool that is never contended",
    OF,
    "pairs",
)
USED_RATIO = gauge(
    "dure_share_used_ratio", "ratio", "its part of what all used, 0 to 1, counted in the same way", OF, "pairs"
)
USED = counter(
    "dure_lease_gpu_seconds_total",
    "GPU-seconds",
    "GPU-seconds: `leased`, of them `busy` (utilisation times time) and `idle` (the rest of the time that was measured), and `lost` by us;"
    " leased less busy and idle is what nobody measured. What turns out later to have been lost makes `leased` stand, not fall. Of"
    f" {TOLD_S} s ago at most, whoever leads: it is added up that often, of leases that are over once for all",
    (*OF, "kind"),
    "4 pairs",
)
ENERGY = counter(
    "dure_lease_energy_joules_total",
    "joules",
    f"energy that leases drew, where any was told of; of {TOLD_S} s ago at most",
    OF,
    "pairs",
)
COMMITTED = gauge(
    "dure_ledger_committed_gpu_seconds",
    "GPU-seconds",
    "GPU-seconds committed by promises that are not settled",
    OF,
    "pairs",
)
BUDGET = gauge(
    "dure_budget_gpu_seconds",
    "GPU-seconds",
    "GPU-seconds that the present period of a budget has, with what was carried over and adjusted; no series without a budget",
    OF,
    "pairs",
)
SPENT = gauge("dure_budget_spent_gpu_seconds", "GPU-seconds", "of that: had by leases that are over", OF, "pairs")
BUDGET_COMMITTED = gauge(
    "dure_budget_committed_gpu_seconds", "GPU-seconds", "of that: in leases that are not over", OF, "pairs"
)
LEFT = gauge(
    "dure_budget_left_gpu_seconds",
    "GPU-seconds",
    "the rest; below zero where the budget was lowered below what was promised",
    OF,
    "pairs",
)
PERIOD_END = gauge("dure_budget_period_end_timestamp_seconds", "seconds", "when the period is over", OF, "pairs")

ROWS = (
    GPUS,
    QUOTA,
    ENTITLED,
    USED_RATIO,
    USED,
    ENERGY,
    COMMITTED,
    BUDGET,
    SPENT,
    BUDGET_COMMITTED,
    LEFT,
    PERIOD_END,
)


def families(found: Companies) -> Iterator[Metric]:
    yield family(GPUS, found.gpus.items())
    yield family(QUOTA, found.quotas.items())
    yield family(ENTITLED, found.entitled_ratio.items())
    yield family(USED_RATIO, found.used_ratio.items())
    yield family(USED, found.used.items())
    yield family(ENERGY, found.joules.items())
    yield family(COMMITTED, found.committed.items())
    yield from _budgets(found.budgets)


def _budgets(found: Mapping[Pair, Budget]) -> Iterator[Metric]:
    yield family(BUDGET, ((key, one.gpu_seconds) for key, one in found.items()))
    yield family(SPENT, ((key, one.spent) for key, one in found.items()))
    yield family(BUDGET_COMMITTED, ((key, one.committed) for key, one in found.items()))
    yield family(LEFT, ((key, one.gpu_seconds - one.spent - one.committed) for key, one in found.items()))
    yield family(PERIOD_END, ((key, one.ends_at) for key, one in found.items()))
