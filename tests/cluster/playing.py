"""The cluster of `make cluster`: what is in it beside a plain one. What is said once it runs is in `greeting.py`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.example import POOL
from dure import kube
from tests import servers
from tests.cluster import kinds, nodes
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.real_node import real_node
from tests.integration.kube import chart

NAME = "main"
"""What pools call it."""

ACCOUNTS = {
    "DURE_SCHEDULER_CLUSTERS": (kube.RECONCILER_ACCOUNT, "reconciler.kubeconfig"),
    "DURE_API_CLUSTERS": (kube.API_ACCOUNT, "api.kubeconfig"),
}
"""By setting: the chart's account of the process that reads it, and the file that its key is in."""

KEY_S = 30 * 86400

REAL_POOL, REAL_PRODUCT, REAL_GPUS = "real", "NVIDIA L4", 4
"""Of the real node. Its GPUs are another product than the simulated nodes', so they are in no other pool."""

REAL_AGENT = {"product": REAL_PRODUCT, "gpus": REAL_GPUS}
REAL_SCENARIO = "real-node.json"
"""What the agent of the real node says of its GPUs, which no NVML knows, and the file that it is told it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for: so many simulated nodes, called like those of `make up`, of so many GPUs each."""

    nodes: int
    gpus: int
    chart: bool
    real_node: bool
    audit: bool

    @property
    def names(self) -> list[str]:
        return [f"node-{at + 1}" for at in range(self.nodes)]


@contextmanager
def played(wanted: Wanted) -> Iterator[Cluster]:
    """Runs while the `with` lasts, and is gone after it. Raises NoBinaries, NotReady, CannotHere, CalledProcessError."""
    with servers.folder("cluster") as folder, ControlPlane(folder, audit=wanted.audit) as plane:
        cluster = plane.cluster
        if wanted.chart:
            chart.install(cluster)
            _keys(cluster)
        plain = nodes.node(kinds.PLAIN, gpus=0, taint=False)
        nodes.add(cluster, [plain, *(nodes.node(name, gpus=wanted.gpus, pool=POOL) for name in wanted.names)])
        if wanted.real_node:
            with real_node(cluster, kinds.REAL, gpus=REAL_GPUS, pool=REAL_POOL):
                (cluster.folder / REAL_SCENARIO).write_text(json.dumps(REAL_AGENT))
                yield cluster
        else:
            yield cluster


def _keys(cluster: Cluster) -> list[Path]:
    """Kubeconfigs of the chart's accounts, readable by their owner alone."""
    return [
        cluster.kubeconfig_for_token(chart.token(cluster.api, kube.SYSTEM_NAMESPACE, account, seconds=KEY_S)).rename(
            cluster.folder / file
        )
        for account, file in ACCOUNTS.values()
    ]
