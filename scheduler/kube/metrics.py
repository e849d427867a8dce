"""What the reconciler counts, and what it could not do yet, with its age."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from scheduler.kube.actions import Delete
from scheduler.kube.connection import Away, Refused
from scheduler.kube.performing import Done, Superseded, Withheld
from scheduler.kube.report import Report, State
from scheduler.metrics.certificates import CERTIFICATE_EXPIRY
from scheduler.metrics.rows import counter, counting, family, gauge, histogram, measuring

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)

OF = ("cluster",)

ACTIONS = counter(
    "dure_kube_actions_total",
    "actions",
    "changes asked of a cluster: `done`, `refused`, `away` (the API server did not answer, or could not now), `withheld` (it was not to be"
    " done any more when its turn came: we do not lead, our rows are old, or the cluster is unfit), `superseded` (it was not wanted any more"
    " when its turn came), `failed` (a fault of ours, in the log)",
    (*OF, "action", "outcome"),
    "54 clusters",
)
TOOK = histogram(
    "dure_kube_action_duration_seconds", "seconds", "how long a cluster took for one", OF, "clusters", buckets=SECONDS
)
END_LATENESS = histogram(
    "dure_kube_end_lateness_seconds",
    "seconds",
    "from the instant at which a pod is to be ended to asking for it",
    OF,
    "clusters",
    buckets=SECONDS,
)
TURNS = histogram(
    "dure_kube_turn_duration_seconds",
    "seconds",
    "one look at all that changed in a cluster",
    OF,
    "clusters",
    buckets=SECONDS,
)
UP = gauge(
    "dure_cluster_up",
    "0 or 1",
    "1 while leases are enforced in a cluster: it answers, is fit, and somebody leads",
    OF,
    "clusters",
)
ALARMS = gauge(
    "dure_cluster_alarms",
    "alarms",
    "what somebody should see to there though leases are enforced: policies that were changed by hand, nodes without their pool's label,"
    " resource or taint, companies' namespaces that are somebody else's; `dure clusters` says what",
    OF,
    "clusters",
)
UNDONE = gauge(
    "dure_kube_undone",
    "actions",
    "what should be done in a cluster and could not be yet; while the database is away, from who led last, companies for which something came due",
    OF,
    "clusters",
)
UNDONE_AGE = gauge(
    "dure_kube_undone_age_seconds",
    "seconds",
    "for how long the oldest of it could not be done: more than a minute is an alarm",
    OF,
    "clusters",
)
WAITING = gauge(
    "dure_kube_pods_waiting",
    "pods",
    "pods at the gate, by why ([codes](kubernetes.md))",
    (*OF, "code"),
    "gates clusters",
)
PLACED = gauge("dure_kube_pods_placed", "pods", "pods that were let in and are not over", OF, "clusters")
TROUBLED = gauge(
    "dure_kube_companies_troubled",
    "companies",
    "companies that nothing is done for, as their namespace is somebody else's",
    OF,
    "clusters",
)
UNEXPLAINED = gauge(
    "dure_kube_pods_unexplained",
    "pods",
    "pods with GPUs past the gate that should be gone: their lease is over, or none explains them, and their kubelet has not ended them; any"
    " that stays is an alarm",
    OF,
    "clusters",
)

STATE = (UP, ALARMS, UNDONE, UNDONE_AGE, WAITING, PLACED, TROUBLED, UNEXPLAINED, CERTIFICATE_EXPIRY)
ROWS = (*STATE, ACTIONS, TOOK, END_LATENESS, TURNS)

_OUTCOMES: dict[type[Exception], str] = {
    Refused: "refused",
    Away: "away",
    Withheld: "withheld",
    Superseded: "superseded",
}


class KubeCounters:
    """One for all clusters of a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._actions = counting(ACTIONS, registry)
        self._lateness, self._took = measuring(END_LATENESS, registry), measuring(TOOK, registry)
        self._turns = measuring(TURNS, registry)

    def did(self, cluster: str, done: Done) -> None:
        """One action that was tried."""
        outcome = "done" if done.failure is None else _OUTCOMES.get(type(done.failure), "failed")
        self._actions.labels(cluster, type(done.action).__name__.lower(), outcome).inc()
        self._took.labels(cluster).observe(done.took_s)
        if isinstance(done.action, Delete) and done.action.at is not None and done.failure is None:
            self._lateness.labels(cluster).observe(max(0.0, done.at - done.action.at))

    def turned(self, cluster: str, took_s: float) -> None:
        self._turns.labels(cluster).observe(took_s)


class KubeCollector(Collector):
    """The state of every cluster, as its reconciler has it at scrape time; of the leading scheduler alone."""

    def __init__(self, reports: Iterable[Report]) -> None:
        self._reports = tuple(reports)

    def describe(self) -> Sequence[Metric]:
        return [family(row, ()) for row in STATE]

    def collect(self) -> Iterator[Metric]:
        states = [state for report in self._reports if (state := report.state()) is not None]
        yield family(UP, _each(states, lambda state: 1 if state.trouble is None else 0))
        yield family(ALARMS, _each(states, lambda state: state.alarms))
        yield family(UNDONE, _each(states, lambda state: len(state.undone_s)))
        yield family(UNDONE_AGE, _each(states, lambda state: max(state.undone_s, default=0.0)))
        waiting = (((state.cluster, code), count) for state in states for code, count in state.waiting.items())
        yield family(WAITING, waiting)
        yield family(PLACED, _each(states, lambda state: state.placed))
        yield family(TROUBLED, _each(states, lambda state: state.troubled))
        yield family(UNEXPLAINED, _each(states, lambda state: state.strays))
        certificates = ((f"cluster/{state.cluster}", state.certificate_ends) for state in states)
        yield family(CERTIFICATE_EXPIRY, (((name,), end) for name, end in certificates if end is not None))


def _each(states: Iterable[State], value: Callable[[State], float]) -> Iterator[tuple[tuple[str], float]]:
    return (((state.cluster,), value(state)) for state in states)
