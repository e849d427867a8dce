"""A whole allocator beside a real cluster: database, loop, reconciler as the chart's own account, and agents that report."""

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlmodel import col, select

from dure import kube, wire
from dure.errors import DureError, Unavailable
from scheduler import amend, endings
from scheduler.actor import Actor
from scheduler.clock import DatabaseClock
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.desired import KILL_MARGIN_S, Terms
from scheduler.kube.metrics import KubeCollector, KubeCounters
from scheduler.kube.reconciler import Reconciler, look
from scheduler.kube.roll import Roll
from scheduler.loop import Loop
from scheduler.metrics import Counters
from scheduler.service import Service
from scheduler.store import clusters, companies, joining, nodes, pools, quotas, reports, shown_leases
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.store.tables import Lease, Pod, PodLog
from tests.cluster import nodes as fakes
from tests.cluster.cluster import Cluster
from tests.cluster.daemons import until
from tests.integration.kube import chart

ADMIN = Actor(role=wire.Role.ADMIN, token="tok_admin")
PRODUCT = "NVIDIA H100 80GB HBM3"
GAP_S, MARGIN_S = 4, KILL_MARGIN_S
GRACE_S = MARGIN_S + 1
WITHIN_S = 60.0
REPORT_S = 0.5


class Stand:
    """`acme` and `globex` are companies of this stand's own, `nodes` its nodes in the shared cluster."""

    def __init__(
        self,
        database: Database,
        cluster: Cluster,
        *,
        kubeconfig: Path,
        gpus: int,
        count: int = 0,
        nodes: Sequence[str] = (),
    ) -> None:
        """`nodes` are there already; else it has `count` of its own."""
        self.db, self.cluster = database, cluster
        self.tag = uuid.uuid4().hex[:6]
        self.acme, self.globex = f"acme-{self.tag}", f"globex-{self.tag}"
        self.nodes = list(nodes) or [f"n-{self.tag}-{number}" for number in range(count)]
        self.gpus = gpus
        self.clock = DatabaseClock(database)
        self.service = Service(Books(), self.clock.now)
        self.registry = CollectorRegistry()
        self.address = ClusterAddress(name="main", kubeconfig=str(kubeconfig))
        self.products: dict[str, tuple[str, int]] = {}
        """What nodes have that are not like the others: a product and how many."""
        self.silent: set[str] = set()
        """Nodes whose agents say nothing."""
        self.busy: set[str] = set()
        """GPUs on which their agents see a process."""
        self.sick: set[str] = set()
        """GPUs that their agents call unhealthy."""
        self._seq = 0
        self._over = threading.Event()
        self.terms = Terms(warning_s=900)

    def found(self, *, grace_s: int = GRACE_S, names: Sequence[str] | None = None, **policy: Any) -> None:
        now = self.clock.now()
        pool = {"name": "h100", "product": PRODUCT, "gap_s": GAP_S, "grace_s": grace_s, "slack_ppm": 0}
        with self.db.begin() as session:
            body = wire.PoolCreate.model_validate({**pool, "cluster": "main", "extension_closes_s": 10, **policy})
            pools.add(session, body, actor=ADMIN, now=now)
            for name in names or (self.acme, self.globex):
                joining.add(session, wire.CompanyCreate(name=name), actor=ADMIN, now=now)
                quotas.put(session, name, "h100", wire.QuotaSet(gpus=10_000), actor=ADMIN, now=now)
            for name in self.nodes:
                nodes.enroll(session, wire.NodeEnroll(name=name), actor=ADMIN, now=now)
        for name in self.nodes:
            self.report(name, ())

    def report(self, node: str, knew: Sequence[str]) -> list[str]:
        """One report of a node's agent; the allocations that it is told are over."""
        self._seq += 1
        product, gpus = self.products.get(node, (PRODUCT, self.gpus))
        readings = [
            wire.GpuReading(
                uuid=f"GPU-{node}-{index}",
                index=index,
                product=product,
                health="unhealthy" if f"GPU-{node}-{index}" in self.sick else "ok",
                memory_used_bytes=0,
                processes=1 if f"GPU-{node}-{index}" in self.busy else 0,
            )
            for index in range(gpus)
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
                    with suppress(Unavailable):
                        knew[name] = self.report(name, knew.get(name, ()))

    def ask(self, gpus: int = 8, *, who: str | None = None, duration_s: int = 20, **more: Any) -> wire.Lease:
        who = who or self.acme
        shape = more.pop("shape", {"gpus": gpus})
        more.setdefault("pool", "h100")
        if "start_in_s" in more:
            start = datetime.fromtimestamp(int(self.clock.now()) + more.pop("start_in_s"), UTC)
            more["start"] = start.isoformat()
        body = wire.Ask.model_validate({"shape": shape, "duration_s": duration_s, **more})
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

    def cancel(self, lease: wire.Lease) -> None:
        with self.db.begin() as session:
            endings.cancel(session, lease.id, actor=company(lease.company), now=self.clock.now())

    def resize(self, lease: wire.Lease, *, nodes: int) -> None:
        with self.db.begin() as session:
            body, actor = wire.Resize(nodes=nodes), company(lease.company)
            found = amend.resized(self.service, session, lease.id, body, actor=actor, now=self.clock.now())
        assert not isinstance(found, DureError), found

    def refused_extension(self, lease: wire.Lease) -> str:
        """The code with which another minute is refused."""
        with pytest.raises(DureError) as told, self.db.begin() as session:
            amend.extended(self.service, session, lease.id, wire.Extend(by_s=60), actor=ADMIN, now=self.clock.now())
        return told.value.code

    def close_company(self, *, ago_s: int) -> None:
        """As if `acme` had been closed then."""
        with self.db.begin() as session:
            row = companies.row(session, self.acme)
            row.closed_at = int(self.clock.now()) - ago_s
            session.add(row)

    def lease(self, lease: wire.Lease) -> wire.Lease:
        with self.db.snapshot() as session:
            return shown_leases.get(session, lease.id, actor=ADMIN)

    def starts(self, lease: wire.Lease) -> float:
        found = self.lease(lease).starts_at
        assert found is not None
        return found.timestamp()

    def ends(self, lease: wire.Lease) -> float:
        """As it is now."""
        found = self.lease(lease).ends_at
        assert found is not None
        return found.timestamp()

    def loop(self, reconcile: bool = True, more: Sequence[ClusterAddress] = ()) -> "Running":
        """A scheduler's process, but for the process."""
        registry = CollectorRegistry()
        found: list[Reconciler] = []
        roll = Roll(self.db, [one.name for one in (self.address, *more)], lambda: loop.epoch)

        def turned() -> None:
            look(found)
            roll.look()

        loop = Loop(self.db, self.clock, Counters(registry), wake_s=0.5, turned=turned)
        if reconcile:
            counters = KubeCounters(registry)
            lead = (lambda: loop.epoch, lambda: loop.follows)
            for address in (self.address, *more):
                found.append(Reconciler(self.db, self.clock, address, self.terms, counters, *lead))  # noqa: PERF401
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
        with chart.account(self.cluster, kube.API_ACCOUNT) as api:
            return self.cluster.http(token=chart.token(api, self.namespace(who), account))

    def make(self, *objects: Mapping[str, Any], who: str | None = None) -> None:
        """By the company's own key, once its quota counts all that it has booked."""
        soon(lambda: self.quota(who) == str(self.booked(who or self.acme)), "the quota of what is booked")
        soon(lambda: self.has_key(who=who), "the company's key")
        with self.tenant(who) as client:
            for body in objects:
                path = collection(body, self.namespace(who))
                soon(
                    lambda path=path, body=body: _was_taken(client, path, body),
                    f"{body['metadata']['name']} to be taken",
                )

    def path(self, name: str) -> str:
        return f"/api/v1/namespaces/{self.namespace()}/pods/{name}"

    def get(self, path: str) -> dict[str, Any] | None:
        """What is there, as the administrator sees it."""
        answer = self.cluster.api.get(path)
        return answer.json() if answer.status_code == 200 else None

    def has_key(self, account: str = kube.COMPANY_KEY, who: str | None = None) -> bool:
        inside = f"/namespaces/{self.namespace(who)}"
        binding = self.get(f"/apis/rbac.authorization.k8s.io/v1{inside}/rolebindings/{account}")
        return binding is not None and self.get(f"/api/v1{inside}/serviceaccounts/{account}") is not None

    def booked(self, who: str) -> int:
        """GPUs of its leases that run or are scheduled."""
        with self.db.snapshot() as session:
            query = select(Lease.total_gpus).where(
                col(Lease.company) == who,
                col(Lease.pool) == "h100",
                col(Lease.state).in_(("scheduled", "active", "ending")),
            )
            return sum(session.exec(query).all())

    def quota(self, who: str | None = None) -> str | None:
        """How many GPUs its pods may ask for."""
        found = self.get(f"/api/v1/namespaces/{self.namespace(who)}/resourcequotas/{kube.QUOTA}")
        return None if found is None else found["spec"]["hard"].get("requests.nvidia.com/gpu")

    def told(self, name: str) -> dict[str, str]:
        """What events say of a pod, by their reason."""
        found = self.cluster.get(f"/api/v1/namespaces/{self.namespace()}/events")["items"]
        return {one["reason"]: one["message"] for one in found if one["involvedObject"]["name"] == name}

    def row(self, name: str) -> Pod | None:
        """What is known of a pod in the database; of the newest, where one of that name was made anew."""
        with self.db.snapshot() as session:
            query = select(Pod).where(col(Pod.name) == name, col(Pod.company) == self.acme)
            return session.exec(query.order_by(col(Pod.seen_at).desc())).first()

    def lines(self, name: str) -> dict[str, str]:
        """The last lines that are kept of a pod, by container."""
        with self.db.snapshot() as session:
            query = select(PodLog).join(Pod, col(Pod.uid) == PodLog.uid)
            found = session.exec(query.where(col(Pod.name) == name, col(Pod.company) == self.acme))
            return {one.container: one.log for one in found}

    def waits(self, name: str) -> str | None:
        """Why a pod waits, as people are told."""
        found = self.row(name)
        return None if found is None else found.waits

    def cluster_says(self) -> tuple[str, str | None]:
        """How the cluster stands as people are told, and what is wrong with it."""
        with self.db.snapshot() as session:
            [found] = [
                one for one in clusters.page(session, after=None, limit=50).items if one.name == self.address.name
            ]
        return found.state.value, found.trouble

    def was_heard(self) -> bool:
        """Whether it is written down that the cluster answered."""
        with self.db.snapshot() as session:
            return clusters.was_heard(session, self.address.name)

    def gpus_by_state(self) -> dict[str, int]:
        with self.db.snapshot() as session:
            return {
                state.value: count
                for state, count in pools.get(session, "h100", now=self.clock.now()).gpus.items()
                if count
            }

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
        self._thread.join(60)

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
    database: Database,
    cluster: Cluster,
    *,
    count: int = 2,
    gpus: int = 8,
    url: str | None = None,
    relist_s: int = 300,
    **policy: Any,
) -> Iterator[Stand]:
    """With its nodes in the cluster and its agents reporting; nothing is enforced until a loop runs."""
    made = Stand(database, cluster, kubeconfig=reconcilers(cluster, url), count=count, gpus=gpus)
    made.terms = replace(made.terms, relist_s=relist_s)
    try:
        fakes.add(cluster, [fakes.node(name, gpus=gpus, pool="h100") for name in made.nodes])
        with reporting(made, **policy):
            yield made
    finally:
        fakes.remove(cluster, made.nodes)


def reconcilers(cluster: Cluster, url: str | None = None) -> Path:
    """A kubeconfig of the chart's own account for the reconciler, in a cluster that has the chart then."""
    chart.install(cluster)
    token = chart.token(cluster.api, kube.SYSTEM_NAMESPACE, kube.RECONCILER_ACCOUNT, seconds=7200)
    return cluster.kubeconfig_for_token(token, url=url)


@contextmanager
def reporting(made: Stand, **policy: Any) -> Iterator[None]:
    """With its pool, its companies, and agents on its nodes; what the companies have in the cluster goes with it."""
    thread = threading.Thread(target=made.agents, daemon=True)
    try:
        made.found(**policy)
        thread.start()
        yield
    finally:
        made.close()
        if thread.is_alive():
            thread.join(60)
        with chart.break_glass(made.cluster) as operator:
            for who in (made.acme, made.globex):
                operator.delete(f"/api/v1/namespaces/{made.namespace(who)}")


def seconds(said: str) -> float:
    return datetime.fromisoformat(said).timestamp()


def _was_taken(client: httpx.Client, path: str, body: Mapping[str, Any]) -> bool:
    """The cluster counts what a quota has room for, and knows what a key may do, a moment after they were written."""
    answer = client.post(path, json=body)
    if answer.status_code == 403 or (answer.status_code == 409 and "resourcequotas" in answer.text):
        return False
    answer.raise_for_status()
    return True


def soon(condition: Callable[[], Any], what: str, within_s: float = WITHIN_S) -> None:
    """Waits until it is so; fails with what it was, if it never is."""
    until(condition, [], within_s=within_s, what=what)
