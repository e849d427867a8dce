"""The cluster of `make cluster`: what is in it beside a plain one, and what is said once it runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import folder as local
from deploy.local.example import POOL
from deploy.local.folder import Folder
from dure import kube
from tests import servers
from tests.cluster import binaries, kinds, nodes
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
DEMO_NODES, DEMO_GPUS = 5, 8
"""What the demo plays on."""

MOST_AGENTS = 64
"""That `make up` takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for: so many simulated nodes, called like those of `make up`, of so many GPUs each."""

    nodes: int
    gpus: int
    chart: bool
    real_node: bool
    audit: bool


@contextmanager
def played(wanted: Wanted) -> Iterator[Cluster]:
    """Runs while the `with` lasts, and is gone after it. Raises NoBinaries, NotReady, CannotHere, CalledProcessError."""
    with servers.folder("cluster") as folder, ControlPlane(folder, audit=wanted.audit) as plane:
        cluster = plane.cluster
        if wanted.chart:
            chart.install(cluster)
            _keys(cluster)
        plain = nodes.node(kinds.PLAIN, gpus=0, taint=False)
        nodes.add(cluster, [plain, *(nodes.node(name, gpus=wanted.gpus, pool=POOL) for name in _names(wanted))])
        if wanted.real_node:
            with real_node(cluster, kinds.REAL, pool="real"):
                yield cluster
        else:
            yield cluster


def greeting(wanted: Wanted, cluster: Cluster) -> str:
    """What it is, and the lines to paste next."""
    lines = [
        f"Kubernetes {binaries.VERSION} is running, {_with(wanted)}. Ctrl-C ends it and removes everything.",
        "",
        "In another terminal, to look at it:",
        "",
        f"  export KUBECONFIG={cluster.admin} PATH={binaries.find('kubectl').parent}:$PATH",
        "  kubectl get nodes",
    ]
    return "\n".join([*lines, *(_enforcing(wanted, cluster) if wanted.chart else []), ""])


def _enforcing(wanted: Wanted, cluster: Cluster) -> Sequence[str]:
    agents = f"DURE_LOCAL_NODES={min(wanted.nodes, MOST_AGENTS)} DURE_LOCAL_GPUS={wanted.gpus}"
    token = Folder(local.default()).admin_token
    return [
        *(_demo(cluster) if wanted.nodes >= DEMO_NODES and wanted.gpus >= DEMO_GPUS else []),
        "",
        "A Dure of your own that it enforces:",
        "",
        *(f"  export {setting}={NAME}={cluster.folder / file}" for setting, (_, file) in ACCOUNTS.items()),
        f"  {agents} make up",
        "",
        "and, once that runs, in a third terminal:",
        "",
        f'  DURE_TOKEN="$(cat {token})" .venv/bin/dure pool enforce {POOL} --cluster {NAME}',
    ]


def _demo(cluster: Cluster) -> Sequence[str]:
    return ["", "The demo, whose leases it enforces:", "", f"  DURE_KUBECONFIG={cluster.admin} make demo"]


def _with(wanted: Wanted) -> str:
    names = _names(wanted)
    simulated = f"{names[0]} to {names[-1]}, simulated nodes of {wanted.gpus} GPUs" if names else "no simulated nodes"
    parts = [simulated, *(["the chart of Dure"] if wanted.chart else [])]
    parts += [f"one real node, {kinds.REAL}"] if wanted.real_node else []
    return f"with {', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else f"with {parts[0]}"


def _names(wanted: Wanted) -> list[str]:
    return [f"node-{at + 1}" for at in range(wanted.nodes)]


def _keys(cluster: Cluster) -> list[Path]:
    """Kubeconfigs of the chart's accounts, readable by their owner alone."""
    return [
        cluster.kubeconfig_for_token(chart.token(cluster.api, kube.SYSTEM_NAMESPACE, account, seconds=KEY_S)).rename(
            cluster.folder / file
        )
        for account, file in ACCOUNTS.values()
    ]
