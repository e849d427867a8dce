"""Decisions, which the API makes of asks as they arrive, and the scheduler of all that waits."""

from prometheus_client import CollectorRegistry

from dure.wire import Outcome
from scheduler.core.replan import Plan
from scheduler.metrics.rows import counter, counting, histogram, measuring

DECISIONS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

DECIDED = counter(
    "dure_decisions_total",
    "decisions",
    "asks decided: by the API when they arrive, out of the queue by whoever planned the pool again, which is mostly the scheduler",
    ("pool", "outcome", "code"),
    "codes pools",
)
TOOK = histogram(
    "dure_decision_duration_seconds",
    "seconds",
    "how long deciding took: in the API from the transaction's beginning until an ask's decision was committed, in the scheduler one look at a"
    " pool whether its plan should change, until what did was committed",
    ("pool",),
    "pools",
    buckets=DECISIONS_S,
)

ROWS = (DECIDED, TOOK)


class DecisionCounters:
    """One a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._decided, self.took = counting(DECIDED, registry), measuring(TOOK, registry)

    def decided(self, pool: str, outcome: Outcome, code: str) -> None:
        self._decided.labels(pool, outcome.value, code).inc()

    def of_plan(self, pool: str, plan: Plan) -> None:
        """A plan that was committed: what it took out of the queue was decided."""
        for promise in plan.pulled.values():
            self.decided(pool, Outcome.SCHEDULED, promise.code.value)
