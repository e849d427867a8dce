"""Simulated nodes: objects that carry GPUs, and whose kubelets kwok plays."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dure import kube
from tests.cluster.cluster import MERGE, Cluster
from tests.cluster.daemons import LOOK_S, until
from tests.cluster.kwok import FAKE

READY_S = 60.0
TAINT = {"key": kube.TAINT_KEY, "value": "present", "effect": "NoSchedule"}


def node(
    name: str,
    *,
    gpus: int = 8,
    mig: Mapping[str, int] | None = None,
    pool: str | None = None,
    labels: Mapping[str, str] | None = None,
    taint: bool = True,
) -> dict[str, Any]:
    """The object. `mig` counts slices by resource name; `pool` and `taint` are what `dure node adopt` would do."""
    resources = {"cpu": "256", "memory": "2Ti", "pods": "1000", "ephemeral-storage": "10Ti"}
    resources |= {kube.DEFAULT_RESOURCE: str(gpus)} if gpus else {}
    resources |= {profile: str(count) for profile, count in (mig or {}).items()}
    found = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    found |= {kube.POOL_LABEL: pool} if pool else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "annotations": FAKE, "labels": {**found, **(labels or {})}},
        "spec": {"taints": [TAINT] if taint else []},
        "status": {"capacity": resources, "allocatable": resources},
    }


def add(cluster: Cluster, objects: Iterable[dict[str, Any]]) -> list[str]:
    """Creates nodes and answers their names when all are Ready. Raises httpx.HTTPStatusError and NotReady."""
    names = []
    for made in objects:
        cluster.api.post("/api/v1/nodes", json=made).raise_for_status()
        names.append(made["metadata"]["name"])
    until(lambda: set(names) <= ready(cluster), [], within_s=READY_S + len(names) * LOOK_S, what="nodes to be Ready")
    return names


def announce(cluster: Cluster, name: str, gpus: str) -> None:
    """What its kubelet says that its device plugin has."""
    amounts = {kube.DEFAULT_RESOURCE: gpus}
    body = {"status": {"capacity": amounts, "allocatable": amounts}}
    answer = cluster.api.patch(f"/api/v1/nodes/{name}/status", headers=MERGE, json=body)
    answer.raise_for_status()


def ready(cluster: Cluster) -> set[str]:
    """The names of the nodes that are Ready."""
    return {found["metadata"]["name"] for found in cluster.get("/api/v1/nodes")["items"] if _is_ready(found)}


def remove(cluster: Cluster, names: Sequence[str]) -> None:
    """As if they had never been: their pods are for the controllers to clear up. Those that are gone already do not matter."""
    for name in names:
        answer = cluster.api.delete(f"/api/v1/nodes/{name}")
        if answer.status_code != 404:
            answer.raise_for_status()


def _is_ready(found: Mapping[str, Any]) -> bool:
    conditions = found["status"].get("conditions", [])
    tainted = any(taint["key"] == "node.kubernetes.io/not-ready" for taint in found["spec"].get("taints", []))
    return not tainted and any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
