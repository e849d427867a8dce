"""The scheduler's metrics. State is collected from one database snapshot at scrape time, so no series outlives what it
speaks of; only events are counted here. Fleet, lease and ledger series come from the leading scheduler alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dure.errors import Unavailable
from dure.wire import Outcome
from scheduler.core.model import State
from scheduler.core.replan import Plan
from scheduler.store.db import Database
from scheduler.store.snapshot import Budget, FleetSnapshot, read
from scheduler.turns.starts import Started
from scheduler.turns.stops import Stopped

DATABASE_UP = "1 while the database answers, and has the schema of this version."

LATENESS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300)


class Counters:
    """What the loop counts as it goes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._start_lateness = Histogram(
            "dure_lease_start_lateness_seconds",
            "Seconds that leases started after their promise.",
            ["pool"],
            buckets=LATENESS_S,
            registry=registry,
        )
        self._end_lateness = Histogram(
            "dure_lease_end_lateness_seconds",
            "Seconds that leases ended after their end.",
            ["pool"],
            buckets=LATENESS_S,
            registry=registry,
        )
        self._decisions = Counter(
            "dure_decisions",
            "Asks decided out of the queue.",
            ["pool", "outcome", "code"],
            registry=registry,
        )
        self._moves = Counter(
            "dure_leases_moved",
            "Scheduled leases that a re-plan gave another slot or other nodes.",
            ["pool", "cause"],
            registry=registry,
        )
        self._slips = Counter(
            "dure_promises_slipped",
            "Promises that got later or went back to the queue because capacity was lost.",
            ["pool", "cause"],
            registry=registry,
        )
        self._turn = Histogram(
            "dure_loop_turn_duration_seconds", "Seconds that one turn of the loop took.", registry=registry
        )
        self._lag = Histogram(
            "dure_loop_lag_seconds",
            "Seconds that a turn of the loop began after the edge it was for.",
            buckets=LATENESS_S,
            registry=registry,
        )
        self._missed = Counter(
            "dure_leases_never_started",
            "Leases whose whole box passed before they could start.",
            ["pool"],
            registry=registry,
        )
        self._preempted = Counter(
            "dure_leases_preempted", "Spot leases that were preempted.", ["pool"], registry=registry
        )
        self._at_risk = Counter(
            "dure_preempted_gpu_seconds",
            "GPU-seconds that preempted leases had run, which are lost at worst.",
            ["pool"],
            registry=registry,
        )
        self._last = Gauge(
            "dure_loop_last_turn_timestamp_seconds", "When the last turn of the loop began.", registry=registry
        )
        self._leader = Gauge("dure_leader", "1 on the scheduler that leads.", registry=registry)
        self._step = Gauge(
            "dure_clock_step_seconds",
            "How far PostgreSQL's clock was from ours when last read; over 5 s no lease is ended.",
            registry=registry,
        )
        self.leading = False
        self.last_turn = 0.0

    def watch_clock(self, step_s: Callable[[], float]) -> None:
        self._step.set_function(step_s)

    def leads(self, leads: bool) -> None:
        self.leading = leads
        self._leader.set(1 if leads else 0)

    def turned(self, began: float, *, took_s: float, edge: float | None) -> None:
        """`edge` is the instant that the turn was for, if it was for one."""
        self.last_turn = began
        if edge is not None:
            self._lag.observe(max(0.0, began - edge))
        self._last.set(began)
        self._turn.observe(took_s)

    def started(self, lease: Started) -> None:
        if lease.never:
            self._missed.labels(lease.pool).inc()
            return
        self._start_lateness.labels(lease.pool).observe(lease.late_s)

    def stopped(self, lease: Stopped) -> None:
        self._end_lateness.labels(lease.pool).observe(lease.late_s)
        if lease.preempted_gpu_seconds is not None:
            self._preempted.labels(lease.pool).inc()
            self._at_risk.labels(lease.pool).inc(lease.preempted_gpu_seconds)

    def planned(self, pool: str, plan: Plan) -> None:
        for promise in plan.pulled.values():
            self._decisions.labels(pool, Outcome.SCHEDULED.value, promise.code.value).inc()
        for move in plan.moves:
            self._moves.labels(pool, move.cause.value).inc()
            if move.slipped_s or move.after.state is State.QUEUED:
                self._slips.labels(pool, move.cause.value).inc()


class FleetCollector(Collector):
    """Fleet, lease and ledger series, while `leads()` says so; and always whether the database answers: while it does not, nobody
    leads.
    """

    def __init__(self, db: Database, now: Callable[[], float], leads: Callable[[], bool]) -> None:
        self._db, self._now, self._leads = db, now, leads
        self._told: dict[tuple[str, str, str], int] = {}

    def collect(self) -> Iterator[Metric]:
        try:
            found = self._read()
        except Unavailable:
            yield _gauge("dure_database_up", DATABASE_UP, [], [((), 0)])
            return
        yield _gauge("dure_database_up", DATABASE_UP, [], [((), 1)])
        if found is not None:
            yield from _series(replace(found, used=self._grown(found.used)), self._now())

    def _read(self) -> FleetSnapshot | None:
        """None where another leads. Raises Unavailable."""
        if not self._leads():
            self._db.check()
            return None
        with self._db.snapshot() as session:
            return read(session, now=self._now())

    def _grown(self, used: Mapping[tuple[str, str, str], int]) -> dict[tuple[str, str, str], int]:
        """A counter does not fall: where something turns out to be lost, or not to be, it stands until the other catches up."""
        self._told = {key: max(value, self._told.get(key, 0)) for key, value in used.items()}
        return self._told


def _series(snapshot: FleetSnapshot, now: float) -> Iterator[Metric]:
    yield _gauge("dure_gpus", "GPUs by pool and state.", ["pool", "state"], snapshot.gpus.items())
    yield _gauge("dure_leases", "Leases by pool and state.", ["pool", "state"], snapshot.leases.items())
    yield _gauge("dure_quota_gpus", "GPUs a company may hold at once.", ["company", "pool"], snapshot.quotas.items())
    yield _gauge(
        "dure_leases_overdue", "Active leases past their end, by pool.", ["pool"], _keyed(snapshot.overdue.items())
    )
    yield _gauge(
        "dure_leases_degraded",
        "Leases that are without some of their GPUs, by pool.",
        ["pool"],
        _keyed(snapshot.degraded.items()),
    )
    yield _gauge(
        "dure_node_last_report_timestamp_seconds",
        "When a node last reported.",
        ["node"],
        _keyed(snapshot.heard.items()),
    )
    ages = ((node, max(0.0, now - at)) for node, at in snapshot.heard.items())
    yield _gauge("dure_node_report_age_seconds", "Seconds since a node last reported.", ["node"], _keyed(ages))
    yield _gauge(
        "dure_ledger_committed_gpu_seconds",
        "GPU-seconds committed by promises that are not settled.",
        ["company", "pool"],
        snapshot.committed.items(),
    )
    yield _gauge(
        "dure_pools_unserved",
        "1 for a pool whose cluster no scheduler is told of: nobody enforces its leases.",
        ["pool", "cluster"],
        ((pool, 1) for pool in snapshot.unserved),
    )
    yield _gauge(
        "dure_violations",
        "Those who are on a GPU that no lease explains.",
        ["pool", "kind"],
        snapshot.violations.items(),
    )
    violated = CounterMetricFamily(
        "dure_violations_found", "Those who ever were on a GPU that no lease explained.", labels=["pool", "kind"]
    )
    for (pool, kind), value in sorted(snapshot.violated.items()):
        violated.add_metric([pool, kind], value)
    yield violated
    yield from _budgets(snapshot.budgets)
    used = CounterMetricFamily(
        "dure_lease_gpu_seconds",
        "GPU-seconds leased, of them busy and idle, and lost by us.",
        labels=["company", "pool", "kind"],
    )
    for (company, pool, kind), value in sorted(snapshot.used.items()):
        used.add_metric([company, pool, kind], value)
    yield used
    energy = CounterMetricFamily("dure_lease_energy_joules", "Energy that leases drew.", labels=["company", "pool"])
    for (company, pool), value in sorted(snapshot.joules.items()):
        energy.add_metric([company, pool], value)
    yield energy


def _budgets(found: Mapping[tuple[str, str], Budget]) -> Iterator[Metric]:
    """Of the present period."""
    labels = ["company", "pool"]
    for name, about, value in (
        (
            "dure_budget_gpu_seconds",
            "GPU-seconds that the present period of a budget has.",
            lambda one: one.gpu_seconds,
        ),
        ("dure_budget_spent_gpu_seconds", "Of them had by leases that are over.", lambda one: one.spent),
        ("dure_budget_committed_gpu_seconds", "Of them in leases that are not over.", lambda one: one.committed),
        (
            "dure_budget_left_gpu_seconds",
            "The rest; below zero where the budget was lowered below what was promised.",
            lambda one: one.gpu_seconds - one.spent - one.committed,
        ),
        ("dure_budget_period_end_timestamp_seconds", "When the period is over.", lambda one: one.ends_at),
    ):
        yield _gauge(name, about, labels, ((key, value(one)) for key, one in found.items()))


def _keyed(items: Iterable[tuple[str, float]]) -> Iterator[tuple[tuple[str], float]]:
    return (((key,), value) for key, value in items)


def _gauge(name: str, about: str, labels: list[str], items: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=labels)
    for key, value in sorted(items):
        family.add_metric(list(key), value)
    return family
