"""A stand whose one node is a real one, and pods that really run there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dure import kube
from scheduler.store.db import Database
from tests.acceptance.witness import Witness, watched
from tests.cluster.cluster import MERGE, Cluster
from tests.cluster.images import BUSYBOX
from tests.cluster.kinds import REAL
from tests.cluster.real_node import RealNode
from tests.integration.kube import chart
from tests.integration.kube.stand import Stand, pod, reconcilers, reporting, soon

GPUS = 4
GRACE_S = 8
LONG_S = 90.0
"""Only guards against hanging: the machine may be busy."""

SAYS_AND_GOES = "trap 'echo SIGTERM at $(date +%s); exit 3' TERM; echo began; sleep 3600 & wait"


class Real(Stand):
    """A stand whose one node is the real one, whose agent sees what processes have."""

    witness: Witness


@contextmanager
def real(database: Database, cluster: Cluster, folder: Path) -> Iterator[Real]:
    """The node is empty before and after."""
    adopted(cluster)
    made = Real(database, cluster, kubeconfig=reconcilers(cluster), gpus=GPUS, nodes=[REAL])
    with watched(cluster, RealNode(cluster, REAL), folder) as made.witness:
        made.busy = made.witness.busy
        with reporting(made, grace_s=GRACE_S, extension_closes_s=20):
            yield made
            cleared(made)


def adopted(cluster: Cluster) -> None:
    """As `dure node adopt` does it; the node has its taint already."""
    body = {"metadata": {"labels": {kube.POOL_LABEL: "h100"}}}
    cluster.api.patch(f"/api/v1/nodes/{REAL}", json=body, headers=MERGE).raise_for_status()


def cleared(made: Real) -> None:
    with chart.break_glass(made.cluster) as operator:
        for who in (made.acme, made.globex):
            operator.delete(f"/api/v1/namespaces/{made.namespace(who)}")
    soon(lambda: not made.witness.node.allocated() and not made.witness.busy, "the node to be empty", LONG_S)


def runs(name: str, command: str = SAYS_AND_GOES, gpus: int = 1, **more: Any) -> dict[str, Any]:
    """A pod that really runs."""
    made = pod(name, gpus, lease=more.pop("lease", None))
    container = made["spec"]["containers"][0]
    container |= {"image": BUSYBOX, "imagePullPolicy": "Never", "command": ["sh", "-c", command]} | more.pop("main", {})
    made["spec"] |= {"restartPolicy": "Never", "terminationGracePeriodSeconds": GRACE_S, **more}
    return made
