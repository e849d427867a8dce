"""What an operator does to a real cluster with their own kubeconfig: dure node adopt and dure doctor."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dure import kube, wire
from dure.doctoring import remedy
from scheduler.store import clusters, pools
from scheduler.store.db import Database
from tests.cluster import nodes
from tests.cluster.cluster import MERGE, Cluster
from tests.cluster.control_plane import ControlPlane
from tests.integration.api.conftest import token
from tests.integration.kube import chart
from tests.integration.kube.chart import break_glass
from tests.integration.kube.keyed import Keyed, keyed
from tests.integration.scheduler.conftest import ADMIN, T0


@pytest.fixture
def at(database: Database, charted: Cluster, tmp_path: Path) -> Iterator[Keyed]:
    """With a pool called as its company, which a cluster enforces that is called so too: nobody else's nodes are in it."""
    with keyed(database, charted, f"ops-{uuid.uuid4().hex[:8]}", tmp_path) as found:
        with database.begin() as session:
            body = wire.PoolCreate(name=found.company, product="NVIDIA B200", cluster=found.company)
            pools.add(session, body, actor=ADMIN, now=T0)
            clusters.told_of(session, [found.company, "main"])
        yield found


@pytest.fixture
def bare(at: Keyed) -> Iterator[str]:
    """A node with GPUs that nobody adopted."""
    name = f"bare-{uuid.uuid4().hex[:8]}"
    nodes.add(at.cluster, [nodes.node(name, gpus=8, taint=False)])
    yield name
    nodes.remove(at.cluster, [name])


def adopt(at: Keyed, node: str, *more: str) -> Any:
    admin = token(at.site.world.db, role="admin")
    words = ("node", "adopt", node, at.company, "--kubeconfig", str(at.cluster.admin), "--yes", "--json", *more)
    return at.dure(*words, who=admin)


def doctor(at: Keyed, kubeconfig: Path, *more: str) -> tuple[int, dict[str, list[str]]]:
    """The exit code, and what is wrong by what was looked at; everything could be."""
    code, findings = examined(at, kubeconfig, *more)
    found: dict[str, list[str]] = {}
    for one in findings:
        assert one["ok"] is not None, one["said"]
        if not one["ok"]:
            found.setdefault(one["check"], []).append(one["said"])
    return code, found


def examined(at: Keyed, kubeconfig: Path, *more: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and all that was looked at."""
    admin = token(at.site.world.db, role="admin")
    said = at.dure(
        "doctor",
        "--only",
        "cluster",
        "--kubeconfig",
        str(kubeconfig),
        "--cluster",
        at.company,
        "--json",
        *more,
        who=admin,
    )
    return said.exit_code, json.loads(said.stdout)["findings"]


def test_a_node_is_labelled_and_tainted_once(at: Keyed, bare: str) -> None:
    first = adopt(at, bare)
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["label"] == f"dure.dev/pool={at.company}"
    node = at.cluster.get(f"/api/v1/nodes/{bare}")
    assert node["metadata"]["labels"][kube.POOL_LABEL] == at.company
    taint = {"key": kube.TAINT_KEY, "value": "present", "effect": "NoSchedule"}
    assert taint in node["spec"]["taints"]
    again = json.loads(adopt(at, bare).stdout)
    assert (again["label"], again["taint"]) == (None, None)


def test_daemon_sets_and_pods_that_it_touches_are_listed(at: Keyed, bare: str, namespace: str) -> None:
    labels = {"app": "logs"}
    container = {"name": "main", "image": "none"}
    spec = {"nodeSelector": {"kubernetes.io/hostname": bare}, "containers": [container]}
    at.cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"namespace": namespace, "name": "logs"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": namespace, "name": "notebook"},
            "spec": {
                "nodeName": bare,
                "containers": [{**container, "resources": {"limits": {kube.DEFAULT_RESOURCE: 1}}}],
            },
        },
    )
    found = json.loads(adopt(at, bare, "--dry-run").stdout)
    assert f"{namespace}/logs" in found["daemon_sets"]
    assert f"{namespace}/notebook" in found["takers"]
    assert kube.POOL_LABEL not in at.cluster.get(f"/api/v1/nodes/{bare}")["metadata"]["labels"]


def test_a_cluster_with_the_chart_and_a_node_is_fit(at: Keyed, bare: str) -> None:
    adopt(at, bare)
    assert doctor(at, at.cluster.admin) == (0, {})


def test_a_cluster_that_no_scheduler_is_told_of_is_wrong(at: Keyed, bare: str) -> None:
    adopt(at, bare)
    with at.site.world.db.begin() as session:
        clusters.told_of(session, ["main"])
    code, wrong = doctor(at, at.cluster.admin)
    assert code == 9
    [said] = wrong["pools"]
    assert said.startswith(f"pool {at.company} names cluster {at.company}, which no scheduler is told of")
    assert set(wrong) == {"pools"}


def test_a_namespace_in_the_way_and_a_pool_without_nodes_are_named(at: Keyed) -> None:
    """The namespace is another company's by its label, as whoever may break the glass can make it."""
    with break_glass(at.cluster) as operator:
        path = f"/api/v1/namespaces/{at.namespace}"
        body = {"metadata": {"labels": {kube.MANAGED_BY: None}}}
        operator.patch(path, json=body, headers=MERGE).raise_for_status()
    code, wrong = doctor(at, at.cluster.admin)
    assert code == 9
    assert [at.namespace in one for one in wrong["namespaces"]] == [True]
    assert [f"no node is of pool {at.company}" in one for one in wrong["pools"]] == [True]
    assert set(wrong) == {"namespaces", "pools"}


def test_each_permission_that_somebody_took_away_is_named(
    at: Keyed, control_planes: Callable[..., ControlPlane]
) -> None:
    cluster = control_planes().cluster
    chart.install(cluster)
    path = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{kube.RECONCILER_ACCOUNT}"
    rules = cluster.get(path)["rules"]
    for rule in rules:
        if "pods" in rule["resources"]:
            rule["verbs"] = [verb for verb in rule["verbs"] if verb not in ("delete", "patch")]
    cluster.api.patch(path, json={"rules": rules}, headers=MERGE).raise_for_status()
    code, wrong = doctor(at, cluster.admin)
    assert code == 9
    assert sorted(one.partition(":")[0] for one in wrong["permissions"]) == [
        f"{kube.RECONCILER_ACCOUNT} may not {verb} pods" for verb in ("delete", "patch")
    ]


def test_a_cluster_that_serves_no_mutating_policies_is_told_so(
    at: Keyed, control_planes: Callable[..., ControlPlane]
) -> None:
    off = "admissionregistration.k8s.io/v1/mutatingadmissionpolicies"
    flags = [f"--runtime-config={off}=false", "--disable-admission-plugins=MutatingAdmissionPolicy"]
    cluster = control_planes(apiserver=flags).cluster
    code, findings = examined(at, cluster.admin)
    assert code == 9
    (found,) = [one for one in findings if one["check"] == "policy APIs"]
    assert found["ok"] is False
    assert "does not serve mutatingadmissionpolicies: take it out of the API server's --runtime-config" in found["said"]


def test_a_cluster_without_the_chart_is_told_so_once(at: Keyed, control_planes: Callable[..., ControlPlane]) -> None:
    code, wrong = doctor(at, control_planes().cluster.admin)
    assert code == 9
    assert wrong.pop("chart") == [f"the chart is not in namespace dure-system: {remedy('dure-system')}"]
    assert set(wrong) == {"pools"}


def test_a_chart_in_another_namespace_is_found(at: Keyed, bare: str) -> None:
    adopt(at, bare)
    code, wrong = doctor(at, at.cluster.admin, "--namespace", "wrong")
    assert code == 9
    found = "the chart is not in namespace wrong but in dure-system: dure doctor --namespace dure-system"
    assert wrong == {"chart": [found]}


def test_of_several_clusters_the_one_at_the_kubeconfigs_address_is_looked_at(at: Keyed, bare: str) -> None:
    """The pool h100 is enforced by main, whose address the API knows; nothing here is called so but for it."""
    adopt(at, bare)
    admin = token(at.site.world.db, role="admin")
    said = at.dure("doctor", "--only", "cluster", "--kubeconfig", str(at.cluster.admin), "--json", who=admin)
    pools = [one["said"] for one in json.loads(said.stdout)["findings"] if one["check"] == "pools"]
    assert [at.company in one for one in pools] == [False] * len(pools)
    assert any("h100" in one for one in pools)


def test_an_operator_who_may_not_look_is_told_what_was_not_seen(at: Keyed) -> None:
    nobody = at.cluster.kubeconfig("nobody")
    admin = token(at.site.world.db, role="admin")
    said = at.dure("doctor", "--only", "cluster", "--kubeconfig", str(nobody), who=admin)
    assert said.exit_code == 9
    assert "permissions: cannot be looked at" in said.stdout
    assert "cannot say whether all is well" in said.stdout
    assert "Forbidden" in said.stdout or "forbidden" in said.stdout
