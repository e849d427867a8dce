"""What `make cluster` says once it runs."""

import dataclasses

import pytest

from tests.cluster import playing
from tests.cluster.cluster import Cluster
from tests.cluster.playing import Wanted

WANTED = Wanted(nodes=5, gpus=8, chart=True, real_node=False, audit=False)


@pytest.fixture
def said(tmp_path, monkeypatch):
    """The greeting of a cluster like the usual one, with what is different."""
    (tmp_path / "kubectl").touch(mode=0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    cluster = Cluster(tmp_path, "https://127.0.0.1:1")
    return lambda **different: playing.greeting(dataclasses.replace(WANTED, **different), cluster)


def test_what_is_pasted_next_is_said_with_its_paths(said, tmp_path):
    lines = [line.strip() for line in said().splitlines()]
    assert f"export KUBECONFIG={tmp_path}/admin.kubeconfig PATH={tmp_path}:$PATH" in lines
    assert f"DURE_KUBECONFIG={tmp_path}/admin.kubeconfig make demo" in lines
    assert f"export DURE_SCHEDULER_CLUSTERS=main={tmp_path}/reconciler.kubeconfig" in lines
    assert f"export DURE_API_CLUSTERS=main={tmp_path}/api.kubeconfig" in lines
    assert "DURE_LOCAL_NODES=5 DURE_LOCAL_GPUS=8 make up" in lines


def test_a_bare_cluster_is_said_to_enforce_nothing(said):
    assert "make demo" not in said(chart=False)
    assert "DURE_SCHEDULER_CLUSTERS" not in said(chart=False)


def test_the_demo_is_not_offered_on_fewer_nodes_than_it_plays_on(said):
    assert "make demo" not in said(nodes=4)


def test_what_is_in_it_is_said(said):
    assert "with node-1 to node-5, simulated nodes of 8 GPUs and the chart of Dure." in said()
    assert "with no simulated nodes." in said(nodes=0, chart=False)
    assert "8 GPUs, the chart of Dure and one real node, real-1." in said(real_node=True)
