"""What the demo says to kubectl, and how it takes the answers."""

import json
from pathlib import Path

import pytest

from deploy.demo.cluster import ACCOUNTS, Cluster, wanted
from deploy.demo.stage import StageError
from dure import kube, wire
from tests.unit.deploy.demo.test_seen import lease, pod
from tests.unit.dure.fake_kubectl import Kubectl, a_list, installed

VERSION = {"serverVersion": {"gitVersion": "v1.37.2"}}
CONFIG = {"users": [{"name": "admin", "user": {"client-key-data": "secret"}}], "clusters": []}
QUOTA = {"spec": {"hard": {"requests.nvidia.com/gpu": "4"}}, "status": {"used": {"requests.nvidia.com/gpu": "3"}}}


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return installed(folder)


@pytest.fixture
def cluster(tmp_path: Path, kubectl: Kubectl) -> Cluster:
    (tmp_path / "admin.kubeconfig").write_text("the admin's")
    return Cluster(tmp_path / "admin.kubeconfig", tmp_path, frozenset({"acme", "globex"}))


def test_a_cluster_is_wanted_where_the_setting_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DURE_KUBECONFIG", raising=False)
    assert wanted() is None
    monkeypatch.setenv("DURE_KUBECONFIG", "/etc/kubeconfig")
    assert wanted() == Path("/etc/kubeconfig")


def _fit(kubectl: Kubectl) -> Kubectl:
    kubectl.on("version", VERSION).on("get mutatingadmissionpolicies dure-gate", "dure-gate")
    return kubectl.on("get nodes", "node/node-1\nnode/node-2")


def test_a_cluster_that_has_everything_is_fit(cluster: Cluster, kubectl: Kubectl) -> None:
    _fit(kubectl).on("get namespaces", "namespace/default")
    assert cluster.fit(["node-1", "node-2"]) == "v1.37.2"


def test_a_cluster_without_the_chart_is_told_how_it_gets_it(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl.on("version", VERSION)
    with pytest.raises(StageError, match="no policy dure-gate: helm install dure"):
        cluster.fit([])


def test_a_kubeconfig_that_is_no_administrator_s_is_said_in_one_line(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl.on("version", VERSION).on("auth can-i * * --all-namespaces", "no", code=1)
    with pytest.raises(
        StageError, match=r"^this needs an administrator's kubeconfig: \S+ may not do everything in the"
    ):
        cluster.fit(["node-1"])


def test_nodes_that_are_missing_are_named(cluster: Cluster, kubectl: Kubectl) -> None:
    _fit(kubectl)
    with pytest.raises(StageError, match="no nodes node-3, which"):
        cluster.fit(["node-1", "node-3"])


def test_what_a_killed_demo_left_is_in_the_way_and_how_it_goes_is_said(cluster: Cluster, kubectl: Kubectl) -> None:
    _fit(kubectl).on("get namespaces", "namespace/dure-co-acme\nnamespace/default")
    with pytest.raises(StageError, match=r"kubectl .*--as-group=dure:break-glass delete namespace dure-co-acme$"):
        cluster.fit([])


def test_a_cluster_that_does_not_answer_is_said_in_kubectl_s_own_words(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl.on("version", "connection refused", code=1)
    with pytest.raises(StageError, match="kubectl version -o json failed: connection refused"):
        cluster.fit([])


def test_without_kubectl_it_is_said_what_to_do(cluster: Cluster, kubectl: Kubectl) -> None:
    (kubectl.folder / "kubectl").unlink()
    with pytest.raises(StageError, match="kubectl is not there: install it, or leave DURE_KUBECONFIG out"):
        cluster.fit([])


def test_processes_come_by_the_chart_s_own_accounts_with_keys_that_nobody_else_reads(
    cluster: Cluster, kubectl: Kubectl
) -> None:
    kubectl.on("create token dure-reconciler", "of-the-reconciler").on("create token dure-api", "of-the-api")
    kubectl.on("config view", CONFIG)
    for setting, value in cluster.environ().items():
        name, _, path = value.partition("=")
        file = Path(path)
        assert (name, file.stat().st_mode & 0o777) == ("main", 0o600)
        token = "of-the-" + ACCOUNTS[setting].removeprefix("dure-")
        assert json.loads(file.read_text())["users"] == [{"name": "admin", "user": {"token": token}}]


def test_a_lease_gets_a_job_that_asks_for_all_its_gpus(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl.on("get resourcequota", QUOTA | {"status": {}}).on("create", "created")
    cluster.workload(lease(shape=wire.Shape(nodes=2, gpus_per_node=2)))
    while not (sent := [call for call in kubectl.calls if call["words"][0] == "create"]):
        pass
    job = json.loads(sent[0]["given"])
    template = job["spec"]["template"]
    assert sent[0]["words"] == ["create", "-n", "dure-co-acme", "-f", "-"]
    assert (job["spec"]["parallelism"], template["metadata"]["labels"]) == (2, {kube.LEASE_LABEL: "lea_1"})
    assert template["spec"]["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "2"}


def test_a_job_waits_until_its_company_s_quota_has_room(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl.on("get resourcequota", QUOTA)
    with cluster:
        cluster.workload(lease(shape=wire.Shape(gpus=2)))
        while not kubectl.calls:
            pass
    assert "create" not in [call["words"][0] for call in kubectl.calls]


def test_a_job_of_a_lease_that_is_over_is_taken_away(cluster: Cluster, kubectl: Kubectl) -> None:
    with cluster:
        cluster.over(lease())
        while not kubectl.calls:
            pass
    assert kubectl.calls[0]["words"] == ["delete", "job", "lea-1", "-n", "dure-co-acme", "--ignore-not-found"]


def test_a_job_that_is_refused_is_said(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl.on("get resourcequota", QUOTA).on("create", "denied by policy", code=1).on("get pods", a_list())
    cluster.workload(lease())
    with pytest.raises(StageError, match="denied by policy"):
        _look_on(cluster)


def _look_on(cluster: Cluster) -> None:
    while True:
        cluster.look()


def test_only_pods_of_the_demo_s_companies_are_looked_at(cluster: Cluster, kubectl: Kubectl) -> None:
    other = pod("2")
    other["metadata"]["namespace"] = "dure-co-somebody"
    kubectl.on("get pods", a_list(pod("1"), other))
    assert cluster.look() == ["  Kubernetes: 1 pod of lea_1 runs on node-1"]


def test_what_was_made_goes_past_the_policies_when_the_play_is_over(cluster: Cluster, kubectl: Kubectl) -> None:
    with cluster:
        pass
    (call,) = kubectl.calls
    assert "--as-group=dure:break-glass" in call["words"]
    assert {"delete", "namespace", "dure-co-acme", "dure-co-globex", "--ignore-not-found"} <= set(call["words"])


def test_that_it_is_taken_away_is_said_and_a_cluster_that_ended_meanwhile_is_no_error(
    cluster: Cluster, kubectl: Kubectl
) -> None:
    said: list[str] = []
    cluster.tell = said.append
    kubectl.on("--as=dure-demo", "connection refused\n" * 11, code=1)
    with cluster:
        pass
    assert said[0] == "\nTaking the namespaces of the demo's 2 companies out of the cluster again."
    assert said[1].startswith("They may still be there (kubectl --as=dure-demo ")
    assert said[1].count("connection refused") == 1
    assert said[1].endswith("delete namespace dure-co-acme dure-co-globex --ignore-not-found")
    assert len(said) == 2


def test_each_look_sees_how_fast_the_machine_and_the_cluster_are(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl.on("get pods", a_list())
    cluster.look()
    assert len(cluster.pace.loads) == len(cluster.pace.answers_s) == 1
    assert cluster.pace.answers_s[0] > 0
