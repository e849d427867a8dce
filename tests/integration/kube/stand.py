"""A whole allocator beside a real cluster: database, loop, reconciler as the chart's own account, and agents that report."""

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from dure import kube, wire
from dure.errors import DureError
from scheduler import amend, endings
from scheduler.actor import Actor
from scheduler.clock import DatabaseClock
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.desired import Terms
from scheduler.kube.metrics import KubeCollector, KubeCounters
from scheduler.kube.reconciler import Reconciler, look
from scheduler.loop import Loop
from scheduler.metrics import Counters
from scheduler.service import Service
from scheduler.store import joining, leases, nodes, pools, quotas, reports
from scheduler.store.books import Books
from scheduler.store.db import Database
from tests.cluster import nodes as fakes
from tests.cluster.cluster import Cluster
from tests.cluster.daemons import until
from tests.integration.kube import chart

ADMIN = Actor(role=wire.Role.ADMIN, token="tok_admin")
PRODUCT = "NVIDIA H100 80GB HBM3"
GAP_S, GRACE_S = 4, 6
WITHIN_S = 30.0
REPORT_S = 0.5


class Stand:
    """`acme` and `globex` are companies of this stand's own, `nodes` its own nodes in the shared cluster."""

    def __init__(self, database: Database, cluster: Cluster, *, kubeconfig: Path, count: int, gpus: int) -> None:
        self.db, self.cluster = database, cluster
        self.tag = uuid.uuid4().hex[:6]
        self.acme, self.globex = f"acme-{self.tag}", f"globex-{self.tag}"
        self.nodes = [f"n-{self.tag}-{number}" for number in range(count)]
        self.gpus = gpus
        self.clock = DatabaseClock(database)
        self.service = Service(Books(), self.clock.now)
        self.registry = CollectorRegistry()
        self.address = ClusterAddress(name="main", kubeconfig=str(kubeconfig))
        self.silent: set[str] = set()
        """Nodes whose agents say nothing."""
        self.busy: set[str] = set()
        """GPUs on which their agents see a process."""
        self._seq = 0
        self._over = threading.Event()
        self.terms = Terms(warning_s=900)

    def found(self, *, grace_s: int = GRACE_S, companies: Sequence[str] | None = None, **policy: Any) -> None:
        now = self.clock.now()
        pool = {"name": "h100", "product": PRODUCT, "gap_s": GAP_S, "grace_s": grace_s, "slack_ppm": 0}
        with self.db.begin() as session:
            body = wire.PoolCreate.model_validate({**pool, "cluster": "main", "extension_closes_s": 10, **policy})
            pools.add(session, body, actor=ADMIN, now=now)
            for name in companies or (self.acme, self.globex):
                joining.add(session, wire.CompanyCreate(name=name), actor=ADMIN, now=now)
                quotas.put(session, name, "h100", wire.QuotaSet(gpus=10_000), actor=ADMIN, now=now)
            for name in self.nodes:
                nodes.enroll(session, wire.NodeEnroll(name=name), actor=ADMIN, now=now)
        for name in self.nodes:
            self.report(name, ())

    def report(self, node: str, knew: Sequence[str]) -> list[str]:
        """One report of a node's agent; the allocations that it is told are over."""
        self._seq += 1
        readings = [
            wire.GpuReading(
                uuid=f"GPU-{node}-{index}",
                index=index,
                product=PRODUCT,
                health="ok",
                memory_used_bytes=0,
                processes=1 if f"GPU-{node}-{index}" in self.busy else 0,
            )
            for index in range(self.gpus)
        ]
        now = self.clock.now()
        body = wire.Report(
            boot="boot1",
            seq=self._seq,
            sent_at=now,
            interval_s=2,
            agent_version="1",
            gpus=readings,
            knew_ended=list(knew),
        )
        with self.db.begin() as session:
            answer = reports.take(session, node, body, now=now)
        return [one.allocation for one in answer.allocations if one.ended]

    def agents(self) -> None:
        """Until the stand is taken down: every node reports, and what ended was known before it looked again."""
        knew: dict[str, list[str]] = {}
        while not self._over.wait(REPORT_S):
            for name in self.nodes:
                if name not in self.silent:
                    knew[name] = self.report(name, knew.get(name, ()))

    def ask(self, gpus: int = 8, *, who: str | None = None, duration_s: int = 20, **more: Any) -> wire.Lease:
        who = who or self.acme
        shape = more.pop("shape", {"gpus": gpus})
        body = wire.Ask.model_validate({"pool": "h100", "shape": shape, "duration_s": duration_s, **more})
        with self.db.begin() as session:
            return self.service.ask(session, body, actor=company(who), now=self.clock.now())

    def extend(self, lease: wire.Lease, by_s: int) -> wire.Lease:
        with self.db.begin() as session:
            found = amend.extended(
                self.service,
                session,
                lease.id,
                wire.Extend(by_s=by_s),
                actor=company(lease.company),
                now=self.clock.now(),
            )
        assert not isinstance(found, DureError), found
        return found.lease

    def release(self, lease: wire.Lease) -> None:
        with self.db.begin() as session:
            endings.release(self.service, session, lease.id, actor=company(lease.company), now=self.clock.now())

    def lease(self, lease: wire.Lease) -> wire.Lease:
        with self.db.snapshot() as session:
            return leases.get(session, lease.id, actor=ADMIN)

    def loop(self, reconcile: bool = True) -> "Running":
        """A scheduler's process, but for the process."""
        registry = CollectorRegistry()
        found: list[Reconciler] = []
        loop = Loop(self.db, self.clock, Counters(registry), wake_s=0.5, turned=lambda: look(found))
        if reconcile:
            counters = KubeCounters(registry)
            found.append(Reconciler(self.db, self.clock, self.address, self.terms, counters, lambda: loop.epoch))
            registry.register(KubeCollector(found))
        return Running(loop, found, registry)

    def namespace(self, who: str | None = None) -> str:
        return kube.namespace(who or self.acme)

    def pods(self, who: str | None = None) -> dict[str, dict[str, Any]]:
        """As the administrator sees them, by name."""
        found = self.cluster.get(f"/api/v1/namespaces/{self.namespace(who)}/pods")
        return {one["metadata"]["name"]: one for one in found["items"]}

    def running(self, who: str | None = None) -> set[str]:
        return {name for name, one in self.pods(who).items() if one["status"].get("phase") == "Running"}

    def tenant(self, who: str | None = None, account: str = kube.COMPANY_KEY) -> Any:
        """A client with the key of a company, or of a lease by its account."""
        return self.cluster.http(token=chart.token(self.cluster.api, self.namespace(who), account))

    def make(self, *objects: Mapping[str, Any], who: str | None = None) -> None:
        """By the company's own key."""
        with self.tenant(who) as client:
            for body in objects:
                client.post(collection(body, self.namespace(who)), json=body).raise_for_status()

    def close(self) -> None:
        self._over.set()


class Running:
    """A loop and its reconcilers between `with` and its end."""

    def __init__(self, loop: Loop, reconcilers: list[Reconciler], registry: CollectorRegistry) -> None:
        self.loop, self.reconcilers, self.registry = loop, reconcilers, registry
        self._thread = threading.Thread(target=loop.run, daemon=True)
        self._stack = ExitStack()

    def __enter__(self) -> "Running":
        self._thread.start()
        for one in self.reconcilers:
            self._stack.enter_context(one)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.loop.stop()
        self._thread.join(10)

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


def company(name: str) -> Actor:
    return Actor(role=wire.Role.COMPANY, token=f"tok_{name}", company=name)


def collection(body: Mapping[str, Any], namespace: str) -> str:
    version, kind = body["apiVersion"], body["kind"].lower()
    root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    return f"{root}/namespaces/{namespace}/{kind}s"


def pod(name: str, gpus: int = 1, *, lease: str | None = None, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "none", "resources": {"limits": {kube.DEFAULT_RESOURCE: str(gpus)}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {} if lease is None else {kube.LEASE_LABEL: lease}},
        "spec": {"terminationGracePeriodSeconds": 2, "containers": [container], **spec},
    }


@contextmanager
def stand(
    database: Database, cluster: Cluster, *, count: int = 2, gpus: int = 8, url: str | None = None, **policy: Any
) -> Iterator[Stand]:
    """With its nodes in the cluster and its agents reporting; nothing is enforced until a loop runs."""
    chart.install(cluster)
    token = chart.token(cluster.api, kube.SYSTEM_NAMESPACE, kube.RECONCILER_ACCOUNT, seconds=7200)
    made = Stand(database, cluster, kubeconfig=cluster.kubeconfig_for_token(token, url=url), count=count, gpus=gpus)
    thread = threading.Thread(target=made.agents, daemon=True)
    try:
        fakes.add(cluster, [fakes.node(name, gpus=gpus, pool="h100") for name in made.nodes])
        made.found(**policy)
        thread.start()
        yield made
    finally:
        made.close()
        thread.join(5)
        _cleared(made)


def _cleared(made: Stand) -> None:
    with chart.break_glass(made.cluster) as operator:
        for who in (made.acme, made.globex):
            operator.delete(f"/api/v1/namespaces/{kube.namespace(who)}")
    fakes.remove(made.cluster, made.nodes)


def soon(condition: Callable[[], Any], what: str, within_s: float = WITHIN_S) -> None:
    """Waits until it is so; fails with what it was, if it never is."""
    until(condition, [], within_s=within_s, what=what)
