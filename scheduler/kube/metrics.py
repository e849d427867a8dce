"""What the reconciler counts, and what it could not do yet, with its age."""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from scheduler.kube.actions import Delete
from scheduler.kube.connection import Away, Refused
from scheduler.kube.performing import Done, Superseded, Withheld
from scheduler.kube.report import Report

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)

_OUTCOMES: dict[type[Exception], str] = {
    Refused: "refused",
    Away: "away",
    Withheld: "withheld",
    Superseded: "superseded",
}


class KubeCounters:
    """One for all clusters of a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._actions = Counter(
            "dure_kube_actions", "Changes asked of a cluster.", ["cluster", "action", "outcome"], registry=registry
        )
        self._lateness = Histogram(
            "dure_kube_end_lateness_seconds",
            "Seconds that the end of a pod was asked for after its own instant.",
            ["cluster"],
            buckets=SECONDS,
            registry=registry,
        )
        self._took = Histogram(
            "dure_kube_action_duration_seconds",
            "Seconds that a cluster took to do what was asked.",
            ["cluster"],
            buckets=SECONDS,
            registry=registry,
        )
        self._turns = Histogram(
            "dure_kube_turn_duration_seconds",
            "Seconds that one look at all that changed in a cluster took.",
            ["cluster"],
            buckets=SECONDS,
            registry=registry,
        )

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
        return _families()

    def collect(self) -> Iterator[Metric]:
        up, alarms, undone, age, waiting, placed, troubled, strays = families = _families()
        for report in self._reports:
            found = report.state()
            if found is None:
                continue
            name = found.cluster
            up.add_metric([name], 1.0 if found.trouble is None else 0.0)
            alarms.add_metric([name], found.alarms)
            undone.add_metric([name], len(found.undone_s))
            age.add_metric([name], max(found.undone_s, default=0.0))
            placed.add_metric([name], found.placed)
            troubled.add_metric([name], found.troubled)
            strays.add_metric([name], found.strays)
            for code, count in sorted(found.waiting.items()):
                waiting.add_metric([name, code], count)
        yield from families


def _families() -> list[GaugeMetricFamily]:
    return [
        GaugeMetricFamily(
            "dure_cluster_up",
            "1 while leases are enforced in a cluster: it answers, is fit, and somebody leads.",
            labels=["cluster"],
        ),
        GaugeMetricFamily(
            "dure_cluster_alarms",
            "What somebody should see to in a cluster, though leases are enforced there.",
            labels=["cluster"],
        ),
        GaugeMetricFamily(
            "dure_kube_undone", "What should be done in a cluster and could not be yet.", labels=["cluster"]
        ),
        GaugeMetricFamily(
            "dure_kube_undone_age_seconds", "For how long the oldest of it could not be done.", labels=["cluster"]
        ),
        GaugeMetricFamily("dure_kube_pods_waiting", "Pods at the gate, by why.", labels=["cluster", "code"]),
        GaugeMetricFamily("dure_kube_pods_placed", "Pods that were let in and are not over.", labels=["cluster"]),
        GaugeMetricFamily(
            "dure_kube_companies_troubled", "Companies that nothing is done for in a cluster.", labels=["cluster"]
        ),
        GaugeMetricFamily(
            "dure_kube_pods_unexplained", "Pods with GPUs, past the gate, that no lease explains.", labels=["cluster"]
        ),
    ]
