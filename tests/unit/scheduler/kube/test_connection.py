"""Reading a cluster's credentials. What the API server answers is tried on a real one."""

from pathlib import Path

import pytest

from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.connection import Away, Connection, Misconfigured

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: secret}}]
contexts: [{name: k, context: {cluster: c, user: u}}]
current-context: k
"""


@pytest.mark.parametrize(
    "text", ["{", "[]", "", "kind: Config", "a: b: c", "\x00", KUBECONFIG.replace("cluster: c,", "cluster: d,")]
)
def test_a_kubeconfig_that_cannot_be_used_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=rf"cluster main: {path} cannot be used"):
        Connection(ClusterAddress(name="main", kubeconfig=str(path)))


def test_a_kubeconfig_that_is_not_there_is_named() -> None:
    with pytest.raises(Misconfigured, match="/nowhere"):
        Connection(ClusterAddress(name="main", kubeconfig="/nowhere"))


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG)
    with pytest.raises(Misconfigured, match="other"):
        Connection(ClusterAddress(name="main", kubeconfig=str(path), context="other"))


def test_outside_of_a_cluster_there_is_none_to_be_in() -> None:
    with pytest.raises(Misconfigured, match="this process's own pod"):
        Connection(ClusterAddress(name="main"))


def test_an_api_server_that_does_not_answer_is_away(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG)
    connection = Connection(ClusterAddress(name="main", kubeconfig=str(path)), timeout_s=2)
    assert connection.server == "https://127.0.0.1:1"
    with pytest.raises(Away, match="does not answer"):
        connection.get("/version")
