"""A release's life by real Helm: installed, upgraded from the chart before this one, rolled back, taken away, installed again."""

import base64
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dure import kube
from tests.cluster.cluster import MERGE, Cluster
from tests.cluster.daemons import until
from tests.cluster.kwok import COMPLETES_AFTER
from tests.integration.kube.chart import CHART, helm

BEFORE = Path(__file__).with_name("before") / "dure-0.1.0.tgz"
"""The chart as it was at commit bf3f8cc, whose migration is a hook."""

WHERE = f"--namespace={kube.SYSTEM_NAMESPACE}"
OURS = "app.kubernetes.io/part-of=dure"
WORKLOADS = ("dure-api", "dure-scheduler", "dure-agent")
MORE = {
    "networkpolicy.networking.k8s.io/dure-api",
    "networkpolicy.networking.k8s.io/dure-agent",
    "servicemonitor.monitoring.coreos.com/dure-api",
}
"""Some of what is there only where it is switched on."""

WITHIN_S = 120.0

pytestmark = pytest.mark.timeout(600)


class Release:
    """Called dure, in the namespace whose pods have to be restricted."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def install(self, chart: Path, *arguments: str) -> str:
        return helm("install", "dure", str(chart), WHERE, *arguments, cluster=self.cluster)

    def upgrade(self, *arguments: str) -> str:
        return helm("upgrade", "dure", str(CHART), WHERE, *arguments, cluster=self.cluster)

    def rollback(self, revision: int) -> None:
        helm("rollback", "dure", str(revision), WHERE, cluster=self.cluster)

    def uninstall(self) -> None:
        helm("uninstall", "dure", WHERE, "--wait", cluster=self.cluster)

    def workload(self, name: str) -> dict[str, Any]:
        kind, namespace = ("daemonsets", "dure-agents") if name == "dure-agent" else ("deployments", "dure-system")
        return self.cluster.get(f"/apis/apps/v1/namespaces/{namespace}/{kind}/{name}")

    def variables(self, name: str) -> set[str]:
        (container,) = self.workload(name)["spec"]["template"]["spec"]["containers"]
        return {one["name"] for one in container["env"]}

    def migrations(self) -> set[str]:
        found = self.cluster.get("/apis/batch/v1/namespaces/dure-system/jobs")["items"]
        return {one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"]}

    def secret(self, name: str) -> dict[str, str]:
        data = self.cluster.get(f"/api/v1/namespaces/dure-system/secrets/{name}")["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def left(self) -> set[str]:
        """What is there of ours, of any kind."""
        kinds = "all,cm,secret,sa,pvc,netpol,pdb,hpa,ns,clusterrole,clusterrolebinding,servicemonitor"
        policies = "validatingadmissionpolicies,mutatingadmissionpolicies"
        bindings = "validatingadmissionpolicybindings,mutatingadmissionpolicybindings"
        what = f"{kinds},{policies},{bindings}"
        return set(self.cluster.kubectl("get", what, "-A", "-l", OURS, "-o", "name").split())


def soon(ready: Callable[[], bool], what: str) -> None:
    until(ready, [], within_s=WITHIN_S, what=what)


@pytest.fixture
def release(own: Cluster) -> Iterator[Release]:
    yield Release(own)
    helm("uninstall", "dure", WHERE, "--ignore-not-found", "--wait", cluster=own)
    own.kubectl("-n", "dure-system", "delete", "job,pvc,secret", "-l", OURS)
    soon(lambda: own.api.get("/api/v1/namespaces/dure-agents").status_code == 404, "the agents' namespace to be gone")


def _runs(release: Release, name: str) -> bool:
    """All of its pods of its newest template, none of another."""
    found = release.workload(name)
    status, wanted = found["status"], found["spec"].get("replicas", 1)
    if found["metadata"]["generation"] != status.get("observedGeneration"):
        return False
    if name == "dure-agent":
        return status.get("numberReady") == status.get("updatedNumberScheduled") == 1
    return status.get("readyReplicas") == status.get("updatedReplicas") == status.get("replicas") == wanted


def _run(release: Release) -> None:
    for name in WORKLOADS:
        soon(lambda name=name: _runs(release, name), f"{name} to run")


def _install_before(release: Release, *arguments: str) -> None:
    """Its hook is waited for, so the pod of that is let succeed meanwhile."""
    pods = "/api/v1/namespaces/dure-system/pods"
    query = {"labelSelector": "job-name=dure-migration"}
    with ThreadPoolExecutor(1) as beside:
        installed = beside.submit(release.install, BEFORE, *arguments)
        soon(lambda: installed.done() or bool(_hooks(release, pods, query)), "the hook's pod")
        for name in _hooks(release, pods, query):
            body = {"metadata": {"annotations": {COMPLETES_AFTER: "0.1s"}}}
            release.cluster.api.patch(f"{pods}/{name}", headers=MERGE, json=body).raise_for_status()
        installed.result()


def _hooks(release: Release, pods: str, query: dict[str, str]) -> list[str]:
    found = release.cluster.api.get(pods, params=query).raise_for_status().json()["items"]
    return [one["metadata"]["name"] for one in found]


def _is_upgraded(release: Release) -> None:
    """By `helm upgrade` alone: each workload is changed, and none is made anew."""
    before = {name: release.workload(name)["metadata"]["uid"] for name in WORKLOADS}
    release.upgrade("--reset-then-reuse-values", "--set", "image.tag=0.2.0")
    assert release.migrations() == {"dure-migration-2"}
    _run(release)
    assert {name: release.workload(name)["metadata"]["uid"] for name in WORKLOADS} == before
    assert "DURE_DATABASE_URL" not in release.variables("dure-api")
    assert "DURE_DATABASE_URL_FILE" in release.variables("dure-scheduler")


def _is_gone_back_to_the_chart_before(release: Release) -> None:
    release.rollback(1)
    soon(lambda: release.migrations() == set(), "the Jobs to be gone")
    _run(release)
    assert "DURE_DATABASE_URL" in release.variables("dure-api")
    assert "DURE_DATABASE_URL_FILE" not in release.variables("dure-api")


def test_a_release_of_the_chart_before_is_upgraded_rolled_back_and_taken_away(release: Release):
    _install_before(release)
    _run(release)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        release.upgrade("--reuse-values")
    assert "missing properties 'postgresql', 'tls'" in refused.value.stderr
    _is_upgraded(release)

    release.upgrade("--set=api.replicas=3,monitoring.serviceMonitors.enabled=true,networkPolicies.enabled=true")
    soon(lambda: release.migrations() == {"dure-migration-3"}, "the Job of the revision before to be gone")
    _run(release)
    assert len(release.left() & MORE) == len(MORE)

    release.rollback(2)
    soon(lambda: release.migrations() == {"dure-migration-2"}, "the Job of the revision that is gone back to")
    _run(release)
    assert release.workload("dure-api")["spec"]["replicas"] == 2
    soon(lambda: not release.left() & MORE, "what was switched on to be gone")

    _is_gone_back_to_the_chart_before(release)
    release.upgrade()
    assert release.migrations() == {"dure-migration-6"}
    release.uninstall()
    soon(lambda: release.left() == set(), "everything to be gone")


def test_a_release_that_helm_3_made_is_upgraded_and_rolled_back(release: Release):
    """Helm 3 merges in the client, and what it made goes on so."""
    _install_before(release, "--server-side=false")
    _run(release)
    _is_upgraded(release)
    _is_gone_back_to_the_chart_before(release)


def test_a_first_look_keeps_its_password_and_its_volume_also_when_it_is_installed_again(release: Release):
    notes = release.install(CHART, "--set=postgresql.enabled=true")
    assert "python -m scheduler admin-token" in notes
    assert "for a first look: one replica, no backup" in notes
    made = release.secret("dure-postgresql")
    assert len(made["password"]) == 32
    assert made["url"] == f"postgresql://dure:{made['password']}@dure-postgresql.dure-system.svc:5432/dure"

    release.upgrade("--set=postgresql.enabled=true")
    assert release.secret("dure-postgresql") == made

    release.uninstall()
    kept = {"secret/dure-postgresql", "persistentvolumeclaim/dure-postgresql"}
    soon(lambda: release.left() == kept, "everything else to be gone")

    release.install(CHART, "--set=postgresql.enabled=true")
    assert release.secret("dure-postgresql") == made
