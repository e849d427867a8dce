"""Decisions, which the API makes of asks as they arrive, and the scheduler of all that waits."""

from scheduler.metrics.rows import counter, histogram

DECISIONS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

DECIDED = counter(
    "dure_decisions_total",
    "decisions",
    "asks decided: by the API when they arrive, by the scheduler out of the queue",
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
