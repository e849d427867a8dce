"""The load of the dashboards' tests: a Dure on a cluster, with every state, fault and refusal that a panel shows, and its Prometheus."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from deploy.demo import cast
from deploy.demo import cluster as demo
from deploy.local.postgres import Embedded
from tests import servers
from tests.acceptance.stack import Stack
from tests.cluster import binaries, nodes
from tests.cluster.cluster import Cluster
from tests.integration.monitoring.dashboards import story
from tests.integration.monitoring.dashboards.agents import agents
from tests.integration.monitoring.dashboards.secured import secured
from tests.monitoring.prometheus import Prometheus, prometheus

NODES = ("board-node-1", "board-node-2", story.SICK)
GPUS = 4

SCENARIO = f"""
seed: 7
speed: 60
product: {cast.PRODUCTS[cast.H100]}
gpus: {GPUS}
nodes:
  - {{name: {story.SICK}, product: {cast.PRODUCTS[cast.A100]}, memory_gib: 40}}
faults:
  - {{kind: xid, node: {story.SICK}, gpu: 2, xid: 79, at_s: 10}}
  - {{kind: ecc, node: {story.SICK}, gpu: 3, uncorrected: 2, at_s: 10}}
  - {{kind: hot, node: {story.SICK}, gpu: 1, celsius: 93}}
  - {{kind: intruder, node: {story.SICK}, gpu: 0, name: miner, at_s: 10}}
"""

ARCHIVES = {"archive_mode": "on", "archive_command": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    stack: Stack
    prometheus: Prometheus
    over: str
    """The lease that was released, and has its receipt."""
    began: float


@contextmanager
def load(cluster: Cluster, folder: Path) -> Iterator[Load]:
    """Until the `with` is left, leases run, wait, are promised and have ended, on a cluster that enforces them."""
    with ExitStack() as stack:
        stack.callback(nodes.remove, cluster, NODES)
        nodes.add(cluster, [nodes.node(name, gpus=GPUS) for name in NODES])
        environ = stack.enter_context(pytest.MonkeyPatch.context())
        environ.setenv("PATH", f"{binaries.find('kubectl').parent}:{os.environ['PATH']}")
        enforced = demo.Cluster(cluster.admin, folder, frozenset(story.QUOTAS), tell=lambda _: None)
        enforced.fit(NODES)
        running = stack.enter_context(_started(environ, enforced))
        admin = stack.enter_context(running.client())
        tokens = story.cast_of(admin)
        there = stack.enter_context(agents(running, admin, NODES, SCENARIO, folder))
        watching = stack.enter_context(_watched(running, there, folder))
        began = time.time()
        stack.enter_context(secured(running, watching, folder))
        stack.enter_context(enforced)
        clients = {name: stack.enter_context(running.client(token)) for name, token in tokens.items()}
        over = stack.enter_context(story.played(running, admin, clients, enforced, watching))
        _archive(running)
        yield Load(stack=running, prometheus=watching, over=over, began=began)


@contextmanager
def _started(environ: pytest.MonkeyPatch, enforced: demo.Cluster) -> Iterator[Stack]:
    for name, value in enforced.environ().items():
        environ.setenv(name, value)
    environ.setenv("DURE_SCHEDULER_LEDGER_VERIFIED_S", "5")
    with servers.folder("dashboards") as home, Stack(home, nodes=0, gpus=GPUS) as running:
        running.postgres = Embedded(home / "postgres", options={**servers.QUICK, **ARCHIVES})
        running.start()
        yield running


@contextmanager
def _watched(running: Stack, there: Sequence[str], folder: Path) -> Iterator[Prometheus]:
    jobs = {f"dure-{name}": [urlsplit(url).netloc] for name, url in running.metrics.items()}
    with prometheus(folder / "prometheus", {**jobs, "dure-agent": there}, interval="1s") as watching:
        yield watching


def _archive(running: Stack) -> None:
    """Something to put into the archive, which is done whenever a segment of the log is full."""
    with psycopg.connect(running.postgres.url("dure"), autocommit=True) as database:
        database.execute("SELECT pg_switch_wal()")
