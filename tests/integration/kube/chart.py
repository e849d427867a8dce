"""The chart, installed by real Helm on a test cluster, and the two accounts that come with it."""

import fcntl
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from dure import kube
from tests.cluster import binaries
from tests.cluster.cluster import ADMINS, Cluster
from tests.cluster.daemons import until

CHART = Path("deploy/helm/dure")

BREAK_GLASS = "dure:break-glass"

NO_WORKLOADS = ("scheduler", "api", "agent", "migration")

TAKES_EFFECT_S = 120.0


def helm(*arguments: str, cluster: Cluster | None = None) -> str:
    """What it prints. Raises subprocess.CalledProcessError, whose notes have what Helm said."""
    where = [f"--kubeconfig={cluster.admin}"] if cluster else []
    command = [str(binaries.find("helm")), *arguments, *where]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        failed = subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        failed.add_note(done.stderr)
        raise failed
    return done.stdout


def install(cluster: Cluster, *values: str) -> None:
    """Once a cluster, whichever test comes first: policies and rights, without the three workloads."""
    with (cluster.folder / "chart.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = cluster.folder / "chart.installed"
        if done.exists():
            return
        upgrade(cluster, *values)
        until_effective(cluster)
        done.touch()


def upgrade(cluster: Cluster, *values: str) -> None:
    """Policies and rights, without the three workloads: as it should be, whatever is there."""
    off = [f"--set={name}.enabled=false" for name in NO_WORKLOADS]
    given = [f"--set={value}" for value in values]
    where = (f"--namespace={kube.SYSTEM_NAMESPACE}", "--create-namespace")
    helm("upgrade", "--install", "dure", str(CHART), *where, *off, *given, cluster=cluster)


@pytest.fixture(scope="session")
def charted(cluster: Cluster) -> Cluster:
    """The shared cluster with the chart in it."""
    install(cluster)
    return cluster


def account(cluster: Cluster, name: str) -> httpx.Client:
    """A client with the token of one of the chart's own ServiceAccounts."""
    return cluster.http(token=token(cluster.api, kube.SYSTEM_NAMESPACE, name))


def token(
    client: httpx.Client,
    namespace: str,
    name: str,
    *,
    seconds: int = 3600,
    secret: str | None = None,
    audience: str | None = None,
) -> str:
    """A token of a ServiceAccount, minted by `client`; it dies with the `secret`. Raises httpx.HTTPStatusError."""
    spec: dict[str, Any] = {"expirationSeconds": seconds}
    if secret is not None:
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Secret", "name": secret}
    if audience is not None:
        spec["audiences"] = [audience]
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = client.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", json=body)
    return answer.raise_for_status().json()["status"]["token"]


def break_glass(cluster: Cluster) -> httpx.Client:
    """An operator whom no policy binds."""
    return cluster.http("operator", [ADMINS, BREAK_GLASS])


def until_effective(cluster: Cluster) -> None:
    """Policies are heeded about a second after they were made: waits for each, in a namespace that goes again."""
    name = PROBED
    body = {"metadata": {"name": name, "labels": {kube.COMPANY_LABEL: "probe"}}}
    with break_glass(cluster) as operator:
        operator.post("/api/v1/namespaces", json=body).raise_for_status()
        until(lambda: not _unheeded(cluster), [], within_s=TAKES_EFFECT_S, what="the policies to take effect")
        operator.delete(f"/api/v1/namespaces/{name}").raise_for_status()


PROBED = kube.namespace("probe")


def _unheeded(cluster: Cluster) -> list[str]:
    """The policies that do not refuse yet what they should."""
    found = []
    for policy, (path, body) in PROBES.items():
        answer = cluster.api.post(path, params={"dryRun": "All"}, json=body)
        if policy not in answer.text:
            found.append(policy)
    return found


def _pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "main", "image": "none"}], **spec}}


LONG_TOKEN = {"serviceAccountToken": {"path": "token", "expirationSeconds": 86400}}
_CORE = f"/api/v1/namespaces/{PROBED}"
_JOB = {"template": {"spec": {"containers": [{"name": "main", "image": "none"}], "restartPolicy": "Never"}}}

PROBES: dict[str, tuple[str, dict[str, Any]]] = {
    "NVIDIA_VISIBLE_DEVICES": (f"{_CORE}/pods", _pod()),
    kube.GATE: (
        f"{_CORE}/pods",
        _pod(containers=[{"name": "main", "image": "none", "resources": {"limits": {kube.DEFAULT_RESOURCE: 1}}}]),
    ),
    "dure-placement": (f"{_CORE}/pods", _pod(nodeName="any")),
    "dure-scheduling": (f"{_CORE}/pods", _pod(schedulerName="any")),
    "dure-hosts": (f"{_CORE}/pods", _pod(hostPID=True)),
    "dure-devices": (f"{_CORE}/pods", _pod(resourceClaims=[{"name": "any", "resourceClaimName": "any"}])),
    "dure-accounts": (f"{_CORE}/pods", _pod(volumes=[{"name": "v", "projected": {"sources": [LONG_TOKEN]}}])),
    "dure-endings": (
        f"{_CORE}/pods",
        {**_pod(), "metadata": {"name": "probe", "finalizers": ["example.org/any"]}},
    ),
    "dure-environment": (f"{_CORE}/configmaps", {"metadata": {"name": "any"}, "data": {"NVIDIA_GDS": "any"}}),
    "dure-tokens": (
        f"{_CORE}/secrets",
        {
            "metadata": {"name": "any", "annotations": {"kubernetes.io/service-account.name": "default"}},
            "type": "kubernetes.io/service-account-token",
        },
    ),
    "dure-managed": (f"{_CORE}/serviceaccounts", {"metadata": {"name": "any"}}),
    "dure-subresources": (f"{_CORE}/bindings", {"metadata": {"name": "any"}, "target": {"name": "any"}}),
    "dure-services": (
        f"{_CORE}/services",
        {"metadata": {"name": "any"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}},
    ),
    "dure-endpoints": (f"{_CORE}/endpoints", {"metadata": {"name": "any"}}),
    "dure-events": (
        f"{_CORE}/events",
        {"metadata": {"name": "any"}, "involvedObject": {"namespace": PROBED}, "source": {"component": "dure"}},
    ),
    "dure-jobs": (
        f"/apis/batch/v1/namespaces/{PROBED}/jobs",
        {"metadata": {"name": "any"}, "spec": {**_JOB, "managedBy": "example.org/any"}},
    ),
    "dure-claims": (
        f"/apis/resource.k8s.io/v1/namespaces/{PROBED}/resourceclaims",
        {"metadata": {"name": "any"}, "spec": {}},
    ),
    "dure-namespaces": ("/api/v1/namespaces", {"metadata": {"name": "dure-co-any"}}),
}
"""A request by the administrator that each policy refuses, or whose answer shows what it put in."""
