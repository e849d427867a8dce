"""A Kubernetes of these tests' own: whole releases come and go in it, whose policies are the cluster's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dure import kube
from tests import servers
from tests.cluster import binaries, nodes
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import BUILDING_S

KINDS = Path(__file__).with_name("kinds.yaml")


@pytest.fixture(scope="session")
def own() -> Iterator[Cluster]:
    """With a node for Dure's processes and a GPU node that Dure was given, and the kinds of others' operators."""
    try:
        binaries.ensure(binaries.CONTROL_PLANE)
    except binaries.NoBinaries as why:
        pytest.skip(str(why))
    with servers.folder("helm") as folder, ControlPlane(folder) as plane:
        cluster = plane.cluster
        nodes.add(cluster, [nodes.node("plain", gpus=0, taint=False), nodes.node("gpu-01", pool="h100")])
        cluster.kubectl("apply", "--server-side", "-f", str(KINDS))
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(KINDS))
        _restricted(cluster, kube.SYSTEM_NAMESPACE)
        yield cluster


def _restricted(cluster: Cluster, namespace: str) -> None:
    """A namespace whose pods the API server itself judges by the restricted standard."""
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {"metadata": {"name": namespace, "labels": level}}
    cluster.api.post("/api/v1/namespaces", json=body).raise_for_status()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Building the binaries, once on a machine, takes longer than any test may."""
    for item in items if binaries.missing() else ():
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(BUILDING_S))
