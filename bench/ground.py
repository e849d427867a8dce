"""What enforcing is measured on: a real API server, scheduler and controllers with simulated nodes, Dure's own processes, the
reconciler as the chart's own account, and agents that report.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from bench import fleet
from bench.fleet import GPUS_PER_NODE, INTERVAL_S, POOL, Fleet
from bench.reporting import Reporting, reporting
from bench.stack import Stack, stack
from dure import kube
from scheduler.clock import DatabaseClock
from scheduler.store.db import Database
from tests import servers
from tests.cluster import binaries, nodes
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane
from tests.integration.kube import chart

GRACE_S = 30
"""Of the pool."""
PATIENCE_S = 120
RECONCILER = f"system:serviceaccount:{kube.SYSTEM_NAMESPACE}:{kube.RECONCILER_ACCOUNT}"


class TooLong(Exception):
    """What was waited for did not come."""


@dataclass(slots=True)
class Ground:
    """Everything that a run stands on."""

    stack: Stack
    cluster: Cluster
    fleet: Fleet
    clock: DatabaseClock
    server: str
    reports: Reporting
    metrics: str = ""
    """Where the scheduler says what it counts."""
    ran: dict[str, float] = field(default_factory=dict[str, float])
    """When the pod of a lease was first seen running."""


@contextmanager
def stand(count: int) -> Iterator[Ground]:
    binaries.ensure((*binaries.CONTROL_PLANE, "helm"))
    with ExitStack() as left:
        ground = left.enter_context(stack())
        folder = left.enter_context(servers.folder("cluster"))
        cluster = left.enter_context(ControlPlane(folder, audit=True)).cluster
        chart.install(cluster)
        with closing(Database(ground.database_url, pool_size=1)) as db:
            made = fleet.make(db, gpus=count * GPUS_PER_NODE, interval_s=INTERVAL_S)
            clock = DatabaseClock(db)
        nodes.add(cluster, [nodes.node(node.name, gpus=len(node.gpus), pool=POOL) for node in made.nodes])
        with psycopg.connect(ground.database_url, autocommit=True) as connection:
            connection.execute("UPDATE pool SET cluster = 'main', grace_s = %s", [GRACE_S])
        server = left.enter_context(ground.process("api"))
        reports = left.enter_context(reporting(server, made.nodes))
        found = Ground(stack=ground, cluster=cluster, fleet=made, clock=clock, server=server, reports=reports)
        left.enter_context(_watching(found))
        token = chart.token(cluster.api, kube.SYSTEM_NAMESPACE, kube.RECONCILER_ACCOUNT, seconds=86_400)
        environ = {"DURE_SCHEDULER_CLUSTERS": f"main={cluster.kubeconfig_for_token(token)}"}
        found.metrics = left.enter_context(ground.process("scheduler", environ)) + "/metrics"
        until(found, lambda: _furnished(found), "the companies' namespaces")
        yield found


@contextmanager
def _watching(ground: Ground) -> Iterator[None]:
    """Notes when pods are first seen running, until the `with` is left."""
    over = threading.Event()

    def watch() -> None:
        version = ground.cluster.get("/api/v1/pods")["metadata"]["resourceVersion"]
        with ground.cluster.http() as client:
            while not over.is_set():
                # It goes with the cluster.
                with suppress(httpx.HTTPError):
                    version = _watched(ground, client, version)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def _watched(ground: Ground, client: httpx.Client, version: str) -> str:
    """Half a minute of it, after `version`; the last there was."""
    params = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "30", "allowWatchBookmarks": "true"}
    with client.stream("GET", "/api/v1/pods", params=params, timeout=60) as answer:
        for line in answer.iter_lines():
            at = ground.clock.now()
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise TooLong(str(event))
            pod = event["object"]
            version = pod["metadata"]["resourceVersion"]
            lease = pod["metadata"].get("labels", {}).get(kube.PLACEMENT_LABEL)
            if lease and pod.get("status", {}).get("phase") == "Running":
                ground.ran.setdefault(lease, at)
    return version


def calls(ground: Ground) -> list[dict[str, Any]]:
    return [call for call in ground.cluster.audited() if call["user"]["username"] == RECONCILER]


def _furnished(ground: Ground) -> bool:
    found = ground.cluster.get("/apis/rbac.authorization.k8s.io/v1/rolebindings")["items"]
    made = Counter(one["metadata"]["name"] for one in found)
    return made[kube.COMPANY_KEY] >= len(ground.fleet.companies)


def until(ground: Ground, condition: Any, what: str, within_s: float = PATIENCE_S) -> None:
    until = time.monotonic() + within_s
    while not condition():
        ground.reports.check()
        if time.monotonic() > until:
            raise TooLong(f"waited {within_s:.0f} s for {what}")
        time.sleep(0.5)
