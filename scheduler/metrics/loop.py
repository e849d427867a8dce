"""The scheduler's loop: who leads, how late and how long its turns are, and what it counts as it goes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry

from scheduler import traces
from scheduler.core.replan import Plan
from scheduler.metrics.database import TRANSACTION
from scheduler.metrics.decisions import DecisionCounters
from scheduler.metrics.promises import StartCounters
from scheduler.metrics.rows import counter, counting, gauge, histogram, measuring, showing
from scheduler.turns.starts import Started
from scheduler.turns.stops import Stopped

LEADER = gauge("dure_leader", "0 or 1", "1 on the scheduler that leads; 0 while the database does not answer it")
LAG = histogram("dure_loop_lag_seconds", "seconds", "how long after the edge it was for a turn began")
TURN = histogram("dure_loop_turn_duration_seconds", "seconds", "how long a turn took")
LAST = gauge("dure_loop_last_turn_timestamp_seconds", "seconds", "when the last turn began")
STEP = gauge(
    "dure_clock_step_seconds",
    "seconds",
    "how far PostgreSQL's clock was from ours when it was last read; over 5 s no lease is ended: an alarm",
)
END_LATENESS = histogram(
    "dure_lease_end_lateness_seconds", "seconds", "how long after their end leases ended", ("pool",), "pools"
)
PREEMPTED = counter("dure_leases_preempted_total", "leases", "spot leases that were preempted", ("pool",), "pools")
AT_RISK = counter(
    "dure_preempted_gpu_seconds_total",
    "GPU-seconds",
    "GPU-seconds that they had run, which are lost at worst",
    ("pool",),
    "pools",
)

ROWS = (LEADER, LAG, TURN, LAST, STEP, END_LATENESS, PREEMPTED, AT_RISK)


class Counters:
    """What the loop counts as it goes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._starts, self._decisions = StartCounters(registry), DecisionCounters(registry)
        self._turn, self._lag = measuring(TURN, registry), measuring(LAG, registry)
        self._transactions = measuring(TRANSACTION, registry)
        self._end_lateness = measuring(END_LATENESS, registry)
        self._preempted, self._at_risk = counting(PREEMPTED, registry), counting(AT_RISK, registry)
        self._last, self._leader, self._step = (
            showing(LAST, registry),
            showing(LEADER, registry),
            showing(STEP, registry),
        )
        self.leading, self._answered = False, True
        self._leader.set_function(lambda: 1 if self.leading and self._answered else 0)
        self.last_turn = 0.0

    def watch_clock(self, step_s: Callable[[], float]) -> None:
        self._step.set_function(step_s)

    def transaction(self, took_s: float) -> None:
        self._transactions.observe(took_s)

    def leads(self, leads: bool) -> None:
        self.leading = leads

    def answers(self, answers: bool) -> None:
        """Whether the database did in this scrape: a loop that hangs in it does not know yet that it may not lead any more."""
        self._answered = answers

    def turned(self, began: float, *, took_s: float, edge: float | None) -> None:
        """`edge` is the instant that the turn was for, if it was for one."""
        self.last_turn = began
        if edge is not None:
            self._lag.observe(max(0.0, began - edge))
        self._last.set(began)
        self._turn.observe(took_s)

    def started(self, lease: Started) -> None:
        self._starts.started(lease)

    def stopped(self, lease: Stopped) -> None:
        self._end_lateness.labels(lease.pool).observe(lease.late_s)
        if lease.preempted_gpu_seconds is not None:
            self._preempted.labels(lease.pool).inc()
            self._at_risk.labels(lease.pool).inc(lease.preempted_gpu_seconds)

    @contextmanager
    def looks(self, pool: str) -> Iterator[None]:
        """Around a look whether the pool's plan should change, and the change; it refers to the trace that it is in."""
        began = perf_counter()
        try:
            yield
        finally:
            trace_id = traces.current()
            exemplar = None if trace_id is None else {"trace_id": trace_id}
            self._decisions.took.labels(pool).observe(perf_counter() - began, exemplar)

    def of_plan(self, pool: str, plan: Plan) -> None:
        self._decisions.of_plan(pool, plan)
