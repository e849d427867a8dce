"""The test clusters themselves: what they are, what they do, and that nothing is left of them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from dure import kube
from tests import servers
from tests.cluster import cgroups, kwok, nodes
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kinds import REAL
from tests.cluster.proxy import Proxy
from tests.cluster.real_node import RealNode
from tests.cluster.sharing import alone
from tests.integration.kube.pods import a_pod

pytestmark = pytest.mark.timeout(900)

TREE = Path(__file__).resolve().parents[3]

SHARES = """
import pathlib, sys
from tests.cluster.sharing import shared

with shared(pathlib.Path(sys.argv[1]), "simulated") as cluster:
    print(cluster.folder, flush=True)
    sys.stdin.read()
"""


def names(found: Iterable[psutil.Process]) -> Iterator[str]:
    """Of those that there still are."""
    for one in found:
        with contextlib.suppress(psutil.Error):
            yield one.name()


def swept(folder: Path) -> bool:
    """Another test may be at it."""
    servers.sweep()
    return not folder.exists()


def without_groups(folder: Path) -> bool:
    cgroups.sweep()
    return not list(Path("/sys/fs/cgroup").glob(f"*/{folder.name}"))


def until(found: Callable[[], Any], within_s: float = 60) -> Any:
    """The first true answer."""
    end = time.monotonic() + within_s
    while not (answer := found()):
        assert time.monotonic() < end, f"not within {within_s} s"
        time.sleep(0.05)
    return answer


def create(cluster: Cluster, namespace: str, pod: dict[str, Any]) -> str:
    """The path of the pod."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    # The namespace's ServiceAccount comes a moment after it.
    until(lambda: cluster.api.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/default").is_success)
    cluster.api.post(pods, json=pod).raise_for_status()
    return f"{pods}/{pod['metadata']['name']}"


def phase(cluster: Cluster, pod: str) -> str:
    return cluster.get(pod)["status"]["phase"]


def gone(cluster: Cluster, pod: str) -> bool:
    return cluster.api.get(pod).status_code == 404


@pytest.fixture
def a_node(cluster: Cluster) -> Iterator[str]:
    """A simulated node of eight GPUs and seven slices of another, adopted."""
    made = nodes.node(f"node-{uuid.uuid4().hex[:8]}", gpus=8, mig={"nvidia.com/mig-1g.10gb": 7}, pool="h100")
    (name,) = nodes.add(cluster, [made])
    yield name
    nodes.remove(cluster, [name])


def test_the_control_plane_is_of_the_version_that_we_enforce_on(cluster):
    assert cluster.get("/version")["gitVersion"] == "v1.37.2"


def test_a_simulated_node_carries_gpus_slices_its_pool_and_the_taint(cluster, a_node):
    found = cluster.get(f"/api/v1/nodes/{a_node}")
    assert found["status"]["allocatable"]["nvidia.com/gpu"] == "8"
    assert found["status"]["allocatable"]["nvidia.com/mig-1g.10gb"] == "7"
    assert found["metadata"]["labels"][kube.POOL_LABEL] == "h100"
    assert nodes.TAINT in found["spec"]["taints"]


def test_a_pod_without_gpus_runs_on_the_plain_node(cluster, namespace):
    pod = create(cluster, namespace, a_pod("plain"))
    until(lambda: phase(cluster, pod) == "Running")


def test_a_gated_pod_waits_and_runs_where_one_patch_opens_and_pins_it(cluster, namespace, a_node):
    pod = create(cluster, namespace, a_pod("gated", gpus=2, schedulingGates=[{"name": kube.GATE}]))
    condition = cluster.get(pod)["status"]["conditions"][0]
    assert condition["reason"] == "SchedulingGated"
    placed = a_pod("gated", node=a_node)["spec"]
    patch = [{"op": "add", "path": f"/spec/{key}", "value": placed[key]} for key in ("nodeSelector", "tolerations")]
    patch.append({"op": "remove", "path": "/spec/schedulingGates"})
    headers = {"Content-Type": "application/json-patch+json"}
    cluster.api.patch(pod, content=json.dumps(patch), headers=headers).raise_for_status()
    until(lambda: phase(cluster, pod) == "Running")
    assert cluster.get(pod)["spec"]["nodeName"] == a_node


def test_a_job_is_complete_when_its_pod_was_told_to_complete(cluster, namespace, a_node):
    template = a_pod("job", gpus=1, node=a_node, annotations={kwok.COMPLETES_AFTER: "1s"}, restartPolicy="Never")
    template["metadata"].pop("name")
    job = {"metadata": {"name": "job"}, "spec": {"template": template}}
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    cluster.api.post(jobs, json=job).raise_for_status()
    until(lambda: cluster.get(f"{jobs}/job")["status"].get("succeeded") == 1)


def test_a_simulated_pod_ends_at_once_and_a_stubborn_one_takes_its_grace_or_what_is_left_of_it(
    cluster, namespace, a_node
):
    quick = create(cluster, namespace, a_pod("quick", node=a_node, terminationGracePeriodSeconds=600))
    stubborn = a_pod("stubborn", node=a_node, annotations={kwok.STUBBORN: ""}, terminationGracePeriodSeconds=600)
    slow = create(cluster, namespace, stubborn)
    until(lambda: phase(cluster, quick) == phase(cluster, slow) == "Running")
    for pod in (quick, slow):
        cluster.api.delete(pod).raise_for_status()
    until(lambda: gone(cluster, quick))
    assert not gone(cluster, slow)
    cluster.api.request("DELETE", slow, json={"gracePeriodSeconds": 1}).raise_for_status()
    until(lambda: gone(cluster, slow))


def test_a_user_has_the_rights_of_his_groups_and_no_others(cluster):
    with cluster.http("ada", ["nobodies"]) as ada:
        assert ada.get("/api/v1/nodes").status_code == 403
    assert "ada" in cluster.kubectl("auth", "whoami", kubeconfig=cluster.kubeconfig("ada", ["nobodies"]))


def test_a_killed_api_server_comes_back_with_all_that_it_knew(control_planes):
    plane: ControlPlane = control_planes(audit=True)
    nodes.add(plane.cluster, [nodes.node("node-1")])
    plane.kill("kube-apiserver")
    with pytest.raises(httpx.TransportError):
        plane.cluster.api.get("/readyz")
    plane.restart("kube-apiserver")
    assert "node-1" in {node["metadata"]["name"] for node in plane.cluster.get("/api/v1/nodes")["items"]}
    created = [
        call for call in plane.cluster.audited() if call["verb"] == "create" and call["user"]["username"] == "admin"
    ]
    assert [call["objectRef"]["name"] for call in created if call["objectRef"]["resource"] == "nodes"] == ["node-1"]


def test_nothing_is_left_of_a_harness_that_is_killed(cluster):
    # `cluster` has seen to the binaries.
    harness = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster", "--nodes=1"], cwd=TREE, stdout=subprocess.PIPE, text=True
    )
    assert harness.stdout is not None
    with harness.stdout:
        folder = Path(next(line for line in harness.stdout if "KUBECONFIG" in line).partition("=")[2].split()[0]).parent
        began = [child for child in psutil.Process(harness.pid).children(recursive=True) if "-m" not in child.cmdline()]
        assert {"etcd", "kube-apiserver", "kwok"} <= set(names(began))
        harness.send_signal(signal.SIGKILL)
        harness.wait()
    _, alive = psutil.wait_procs(began, timeout=60)
    assert list(names(alive)) == []
    until(lambda: swept(folder))


def test_what_several_processes_share_goes_with_the_last_however_that_ends(cluster, tmp_path):
    command = [sys.executable, "-c", SHARES, str(tmp_path)]
    users = [
        subprocess.Popen(command, cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    with users[0], users[1]:
        folders = {Path(user.stdout.readline().strip()) for user in users if user.stdout}
        (folder,) = folders
        users[0].kill()
        users[0].wait()
        config = folder / "admin.kubeconfig"
        assert "plain-1" in cluster.kubectl("get", "nodes", kubeconfig=config)
        users[1].kill()
    until(lambda: not folder.exists())
    assert [found.name() for found in psutil.process_iter() if _belongs(found, folder)] == []


def _belongs(process: psutil.Process, folder: Path) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(str(folder) in part for part in process.cmdline())
    return False


class TestProxy:
    """Faults between a client and the API server."""

    @pytest.fixture
    def proxy(self, cluster: Cluster) -> Iterator[Proxy]:
        with Proxy(cluster) as found:
            yield found

    @pytest.fixture
    def client(self, cluster: Cluster, proxy: Proxy) -> Iterator[httpx.Client]:
        with cluster.http("ada", ["system:masters"]) as found:
            found.base_url = proxy.url
            yield found

    def test_passes_on_who_asks_and_what(self, cluster, proxy, client):
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        said = client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json=review).json()
        assert said["status"]["userInfo"]["username"] == "ada"
        assert "system:masters" in said["status"]["userInfo"]["groups"]
        assert "plain-1" in cluster.kubectl("get", "nodes", kubeconfig=proxy.kubeconfig("ada", ["system:masters"]))

    def test_passes_a_token_on(self, cluster, namespace, proxy):
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        until(lambda: cluster.api.get(f"{accounts}/default").is_success)
        token = cluster.api.post(f"{accounts}/default/token", json={}).raise_for_status().json()["status"]["token"]
        said = cluster.kubectl("auth", "whoami", kubeconfig=proxy.kubeconfig_for_token(token))
        assert f"system:serviceaccount:{namespace}:default" in said

    @pytest.mark.parametrize("status", [409, 410, 429, 500])
    def test_answers_as_told_so_often_as_told(self, proxy, client, status):
        proxy.faults.answer(status, method="GET", path="^/api/v1/nodes", times=1, retry_after_s=7)
        answer = client.get("/api/v1/nodes")
        assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (status, status, "7")
        assert client.get("/api/v1/nodes").is_success
        assert [call.status for call in proxy.faults.calls] == [status, 200]

    def test_is_away_and_back_at_the_same_address(self, proxy, client):
        assert client.get("/readyz").is_success
        proxy.away()
        with pytest.raises(httpx.TransportError):
            client.get("/readyz")
        proxy.back()
        assert client.get("/readyz").is_success

    def test_is_slow(self, proxy, client):
        proxy.faults.delay_s = 0.5
        began = time.monotonic()
        assert client.get("/readyz").is_success
        assert time.monotonic() - began >= 0.5

    def test_a_watch_goes_silent_and_is_told_that_its_past_is_gone(self, cluster, namespace, proxy, client):
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        until(lambda: cluster.api.get(f"{path}/kube-root-ca.crt").is_success)
        begin = cluster.get(path)["metadata"]["resourceVersion"]
        with client.stream("GET", path, params={"watch": "true", "resourceVersion": begin}) as stream:
            events = (json.loads(line) for line in stream.iter_lines())
            cluster.api.post(path, json={"metadata": {"name": "heard"}}).raise_for_status()
            assert next(event for event in events if event["object"]["metadata"]["name"] == "heard")["type"] == "ADDED"
            proxy.faults.silent = True
            cluster.api.post(path, json={"metadata": {"name": "missed"}}).raise_for_status()
            with (
                cluster.http() as direct,
                direct.stream("GET", path, params={"watch": "true", "resourceVersion": begin}) as other,
            ):
                # What another has heard by now, this one would have.
                next(line for line in other.iter_lines() if "missed" in line)
            proxy.expire()
            rest = [(event["type"], event["object"].get("code")) for event in events]
        assert rest == [("ERROR", 410)]

    def test_a_watch_is_not_told_what_is_to_be_lost_and_later_what_is_held(self, cluster, namespace, proxy, client):
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        query = {"watch": "true", "resourceVersion": cluster.get(path)["metadata"]["resourceVersion"]}
        proxy.faults.lose("DELETED", path="/configmaps", name="lost")
        proxy.faults.hold("ADDED", 0.5, path="/configmaps", name="held")
        proxy.faults.lose("ADDED", path="/secrets")
        with client.stream("GET", path, params=query) as stream:
            events = (json.loads(line) for line in stream.iter_lines())
            heard = ((event["type"], event["object"]["metadata"]["name"]) for event in events)
            ours = (event for event in heard if event[1] != "kube-root-ca.crt")
            for name in ("lost", "told"):
                cluster.api.post(path, json={"metadata": {"name": name}}).raise_for_status()
                cluster.api.delete(f"{path}/{name}").raise_for_status()
            began = time.monotonic()
            for name in ("held", "after"):
                cluster.api.post(path, json={"metadata": {"name": name}}).raise_for_status()
            assert [next(ours) for _ in range(3)] == [("ADDED", "lost"), ("ADDED", "told"), ("DELETED", "told")]
            assert [next(ours) for _ in range(2)] == [("ADDED", "held"), ("ADDED", "after")]
            assert time.monotonic() - began >= 0.5

    def test_something_happens_when_a_call_was_answered_and_nobody_heard_of_it(self, cluster, namespace, proxy, client):
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        proxy.faults.after(2, proxy.cut, method="POST", path="/configmaps")
        client.post(path, json={"metadata": {"name": "first"}}).raise_for_status()
        with pytest.raises(httpx.TransportError):
            client.post(path, json={"metadata": {"name": "second"}})
        assert cluster.get(f"{path}/second")
        client.post(path, json={"metadata": {"name": "third"}}).raise_for_status()


class TestRealNode:
    """Kubelet, containerd and runc, and GPUs that are made up."""

    @pytest.fixture
    def space(self, real_cluster: Cluster) -> Iterator[str]:
        name = f"test-{uuid.uuid4().hex[:10]}"
        with alone(real_cluster):
            real_cluster.api.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()
            yield name
            real_cluster.api.delete(f"/api/v1/namespaces/{name}").raise_for_status()
            until(lambda: real_cluster.api.get(f"/api/v1/namespaces/{name}").status_code == 404)

    def test_runs_a_pod_with_two_gpus_that_the_kubelet_names(self, real_cluster, space):
        told = a_pod("two", gpus=2, command="echo I have $NVIDIA_VISIBLE_DEVICES; exec sleep 3600", node=REAL)
        pod = create(real_cluster, space, told)
        until(lambda: phase(real_cluster, pod) == "Running")
        (found,) = [each for each in RealNode(real_cluster, REAL).allocated() if each.namespace == space]
        assert (found.pod, found.container, found.resource, len(found.ids)) == ("two", "main", "nvidia.com/gpu", 2)
        assert set(found.ids) < {f"gpu-{number}" for number in range(4)}
        said = until(lambda: real_cluster.kubectl("logs", "two", f"--namespace={space}"))
        assert said.strip() == f"I have {','.join(found.ids)}"
        assert real_cluster.kubectl("exec", "two", f"--namespace={space}", "--", "hostname").strip() == "two"

    def test_ends_a_pod_at_its_deadline_with_nobody_else_involved(self, real_cluster, space):
        pod = create(real_cluster, space, a_pod("late", gpus=1, node=REAL, activeDeadlineSeconds=2))
        ended = until(lambda: (found := real_cluster.get(pod)["status"])["phase"] == "Failed" and found)
        assert ended["reason"] == "DeadlineExceeded"

    def test_nothing_is_left_when_its_harness_is_killed(self, real_cluster):
        harness = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster", "--nodes=0", "--real-node"],
            cwd=TREE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert harness.stdout is not None
        with harness.stdout:
            folder = Path(
                next(line for line in harness.stdout if "KUBECONFIG" in line).partition("=")[2].split()[0]
            ).parent
            admin = folder / "admin.kubeconfig"
            given = json.dumps(a_pod("left", gpus=1, node=REAL))
            until(lambda: real_cluster.kubectl("get", "serviceaccounts", kubeconfig=admin))
            real_cluster.kubectl("apply", "-f", "-", given=given, kubeconfig=admin)
            asked = ("get", "pod", "left", "-o", "jsonpath={.status.phase}")
            until(lambda: real_cluster.kubectl(*asked, kubeconfig=admin) == "Running")
            began = psutil.Process(harness.pid).children(recursive=True)
            assert {"kubelet", "containerd", "runc"} & set(names(began))
            os.kill(harness.pid, signal.SIGKILL)
            harness.wait()
        _, alive = psutil.wait_procs(began, timeout=60)
        assert list(names(alive)) == []
        until(lambda: swept(folder))
        until(lambda: without_groups(folder))
        mounts = Path("/proc/self/mounts").read_text()
        assert str(folder) not in mounts
