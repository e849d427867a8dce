"""`make demo` on a cluster, cut short: its pods keep to their leases, and nothing of it is left there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo import cast, trace
from dure import kube
from tests.cluster import binaries, nodes
from tests.cluster.cluster import Cluster
from tests.integration.kube.stand import soon

TREE = Path(__file__).resolve().parents[2]


@pytest.fixture
def with_nodes(charted: Cluster) -> Iterator[Cluster]:
    """The shared cluster with the nodes that the demo's agents speak for."""
    nodes.add(charted, [nodes.node(name) for name in cast.NODE_NAMES])
    yield charted
    nodes.remove(charted, cast.NODE_NAMES)


@pytest.mark.timeout(900)
def test_pods_of_the_demo_keep_to_their_leases(with_nodes: Cluster) -> None:
    path = f"{binaries.find('kubectl').parent}:{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "DURE_KUBECONFIG": str(with_nodes.admin)}
    command = [sys.executable, "-m", "deploy.demo", "--until", "1"]
    done = subprocess.run(command, cwd=TREE, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.startswith("Leases are ENFORCED by the Kubernetes v")
    for said in ("at the gate", "2 pods of", "on node-1, node-2", "none before its start or after its end"):
        assert said in done.stdout
    soon(lambda: _namespaces(with_nodes).isdisjoint(map(kube.namespace, trace.quotas())), "nothing to be left", 180)


def _namespaces(cluster: Cluster) -> set[str]:
    return {found["metadata"]["name"] for found in cluster.get("/api/v1/namespaces")["items"]}
