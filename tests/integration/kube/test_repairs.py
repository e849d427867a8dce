"""What somebody changes in a cluster by hand is put right, or said."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from dure import kube
from scheduler.kube import inspection
from scheduler.store.db import Database
from tests.cluster import nodes
from tests.cluster.cluster import MERGE, Cluster
from tests.cluster.control_plane import ControlPlane
from tests.integration.kube import chart
from tests.integration.kube.stand import Stand, pod, soon, stand

QUOTA = f"/api/v1/namespaces/{{}}/resourcequotas/{kube.QUOTA}"
LIMITS = f"/api/v1/namespaces/{{}}/limitranges/{kube.LIMITS}"
ISOLATION = f"/apis/networking.k8s.io/v1/namespaces/{{}}/networkpolicies/{kube.ISOLATION}"
KEY = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{{}}/rolebindings/{kube.COMPANY_KEY}"
LEVEL = "pod-security.kubernetes.io/enforce"

BESIDE: list[tuple[str, dict[str, Any]]] = [
    (ISOLATION, {"spec": {"ingress": [{"from": [{"podSelector": {}, "namespaceSelector": {}}]}]}}),
    (ISOLATION, {"spec": {"podSelector": {"matchLabels": {"app": "none"}}}}),
    (QUOTA, {"spec": {"hard": {"services": "0"}}}),
    (QUOTA, {"spec": {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]}}}),
    (LIMITS, {"spec": {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]}}),
    (KEY, {"subjects": [{"kind": "User", "name": "mallory", "apiGroup": "rbac.authorization.k8s.io"}]}),
    ("/api/v1/namespaces/{}", {"metadata": {"labels": {f"{LEVEL}-version": "v1.20", LEVEL: "privileged"}}}),
]
"""What somebody may put beside what bounds a company, which opens it, or binds it further."""


def test_what_somebody_changes_is_put_right(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=300)
    soon(lambda: acme.has_key(kube.lease_account(lease.id)), "the lease's key")
    inside = f"/namespaces/{acme.namespace()}"
    with chart.break_glass(acme.cluster) as operator:
        quota = {"spec": {"hard": {"requests.nvidia.com/gpu": "800"}}}
        operator.patch(f"/api/v1{inside}/resourcequotas/{kube.QUOTA}", json=quota, headers=MERGE).raise_for_status()
        operator.delete(f"/api/v1{inside}/limitranges/{kube.LIMITS}").raise_for_status()
        operator.delete(f"/apis/networking.k8s.io/v1{inside}/networkpolicies/{kube.ISOLATION}").raise_for_status()
        labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
        operator.patch(f"/api/v1{inside}", json=labels, headers=MERGE).raise_for_status()
        binding = f"/apis/rbac.authorization.k8s.io/v1{inside}/rolebindings/{kube.lease_account(lease.id)}"
        operator.delete(binding).raise_for_status()
    soon(lambda: acme.quota() == "8", "the quota")
    soon(lambda: acme.get(f"/api/v1{inside}/limitranges/{kube.LIMITS}"), "the limits")
    soon(lambda: acme.get(f"/apis/networking.k8s.io/v1{inside}/networkpolicies/{kube.ISOLATION}"), "the isolation")
    soon(lambda: acme.has_key(kube.lease_account(lease.id)), "the lease's key again")
    level = "pod-security.kubernetes.io/enforce"
    soon(lambda: acme.cluster.get(f"/api/v1{inside}")["metadata"]["labels"][level] == "baseline", "Pod Security")


def test_what_somebody_puts_beside_is_taken_off_and_nothing_is_done_twice(database: Database, cluster: Cluster) -> None:
    with stand(database, cluster) as made, made.loop():
        soon(made.has_key, "the company's namespace and key")
        soon(lambda: all(made.get(path.format(made.namespace())) for path, _ in BESIDE), "all that bounds the company")
        before = {path: _meant(made.cluster.get(path.format(made.namespace()))) for path, _ in BESIDE}
        with chart.break_glass(made.cluster) as operator:
            for path, body in BESIDE:
                at = path.format(made.namespace())
                operator.patch(at, headers=MERGE, json=body).raise_for_status()
                soon(lambda at=at, path=path: _meant(made.cluster.get(at)) == before[path], f"{path} after {body}")
            at = QUOTA.format(made.namespace())
            operator.delete(at).raise_for_status()
            scoped = {"metadata": {"name": kube.QUOTA, "labels": {kube.MANAGED_BY: kube.MANAGER}}}
            scoped["spec"] = {"scopes": ["BestEffort"], "hard": {"pods": "9"}}
            operator.post(at.rpartition("/")[0], json=scoped)
        soon(lambda: (made.get(at) or {}).get("spec") == before[QUOTA]["spec"], "a quota without scopes")
        versions = {
            path: made.cluster.get(path.format(made.namespace()))["metadata"]["resourceVersion"] for path in before
        }
        made.ask(8, start_in_s=3600, duration_s=60)
        soon(lambda: made.quota() == "8", "another look")
        del versions[QUOTA]
        for path, version in versions.items():
            assert made.cluster.get(path.format(made.namespace()))["metadata"]["resourceVersion"] == version


def _meant(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of an object, what was written into it."""
    said = {field: found[field] for field in ("spec", "roleRef", "subjects") if field in found}
    return {**said, "labels": found["metadata"]["labels"]}


def test_a_namespace_that_somebody_else_made_is_left_alone(database: Database, cluster: Cluster) -> None:
    with stand(database, cluster) as made:
        with chart.break_glass(cluster) as operator:
            operator.post("/api/v1/namespaces", json={"metadata": {"name": made.namespace()}}).raise_for_status()
        with made.loop() as running:
            soon(lambda: made.has_key(who=made.globex), "the other company")
            soon(lambda: running.value("dure_kube_companies_troubled", cluster="main") == 1, "the metric")
        found = cluster.get(f"/api/v1/namespaces/{made.namespace()}")
        assert kube.COMPANY_LABEL not in found["metadata"]["labels"]
        assert not cluster.get(f"/api/v1/namespaces/{made.namespace()}/resourcequotas")["items"]


@pytest.mark.parametrize(
    "labels",
    [(kube.COMPANY_LABEL,), (kube.MANAGED_BY,), (kube.COMPANY_LABEL, kube.MANAGED_BY)],
    ids=["the company's", "whose it is", "both"],
)
def test_labels_that_an_administrator_took_off_a_namespace_are_put_back_and_what_runs_ends_with_its_lease(
    acme: Stand, labels: tuple[str, ...]
) -> None:
    lease = acme.ask(8, duration_s=300)
    acme.make(pod("runs", 1))
    soon(lambda: acme.running() == {"runs"}, "the pod to run")
    path = f"/api/v1/namespaces/{acme.namespace()}"
    with chart.break_glass(acme.cluster) as operator:
        body = {"metadata": {"labels": dict.fromkeys(labels)}}
        operator.patch(path, headers=MERGE, json=body).raise_for_status()
    ours = {kube.COMPANY_LABEL: acme.acme, kube.MANAGED_BY: kube.MANAGER}
    soon(lambda: acme.cluster.get(path)["metadata"]["labels"].items() >= ours.items(), "the labels")
    acme.release(lease)
    soon(lambda: not acme.running(), "the pod to be ended with its lease")


def test_what_was_let_in_ends_with_its_lease_in_a_namespace_that_is_ours_no_more(
    database: Database, cluster: Cluster
) -> None:
    with stand(database, cluster) as made:
        with made.loop():
            soon(made.has_key, "the company's namespace and key")
            lease = made.ask(8, duration_s=300)
            made.make(pod("runs", 1))
            soon(lambda: made.running() == {"runs"}, "the pod to run")
        space = f"/namespaces/{made.namespace()}"
        with chart.break_glass(cluster) as operator:
            labels = {"metadata": {"labels": {kube.COMPANY_LABEL: None, kube.MANAGED_BY: None}}}
            operator.patch(f"/api/v1{space}", headers=MERGE, json=labels).raise_for_status()
            binding = f"/apis/rbac.authorization.k8s.io/v1{space}/rolebindings/{kube.COMPANY_KEY}"
            operator.delete(binding).raise_for_status()
        with made.loop() as running:
            soon(lambda: "does not carry Dure's labels" in str(made.cluster_says()[1]), "it to be said")
            soon(lambda: running.value("dure_kube_companies_troubled", cluster="main") == 1, "it to be counted")
            assert made.running() == {"runs"}
            made.release(lease)
            soon(lambda: not made.running(), "the pod to be ended with its lease")
        assert made.get(binding) is None


def test_what_runs_is_ended_though_somebody_took_the_gate_away_and_nothing_new_begins(
    database: Database, control_planes: Callable[..., ControlPlane], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "FIT_S", 1.0)
    cluster = control_planes().cluster
    with stand(database, cluster) as made, made.loop() as running:
        soon(made.has_key, "the company's namespace and key")
        lease = made.ask(8, duration_s=300)
        made.make(pod("runs", 1))
        soon(lambda: made.running() == {"runs"}, "the pod to run")
        with chart.break_glass(cluster) as operator:
            path = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings/dure-gate"
            operator.delete(path).raise_for_status()
        soon(lambda: running.value("dure_cluster_up", cluster="main") == 0, "it to be said")
        made.release(lease)
        soon(lambda: not made.pods(), "the pod to be ended with its lease")


def test_what_somebody_changes_in_the_policies_is_said_by_name_and_work_goes_on(
    database: Database, control_planes: Callable[..., ControlPlane], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "FIT_S", 1.0)
    cluster = control_planes().cluster
    root = "/apis/admissionregistration.k8s.io/v1"
    with stand(database, cluster) as made, made.loop() as running:
        soon(made.has_key, "the company's namespace and key")
        soon(lambda: made.cluster_says() == ("ok", None), "all to be well")
        with chart.break_glass(cluster) as operator:
            operator.delete(f"{root}/validatingadmissionpolicies/dure-hosts").raise_for_status()
            binding = f"{root}/validatingadmissionpolicybindings/dure-claims"
            body = {"spec": {"validationActions": ["Audit"]}}
            operator.patch(binding, headers=MERGE, json=body).raise_for_status()
        soon(lambda: running.value("dure_cluster_alarms", cluster="main") == 2, "both to be said")
        want = ("policy dure-hosts is missing", "binding dure-claims was changed by hand in validationActions")
        soon(lambda: all(one in str(made.cluster_says()[1]) for one in want), "people to be told")
        assert made.cluster_says()[0] == "trouble"
        soon(lambda: running.value("dure_cluster_up", cluster="main") == 1, "the cluster to be up all the same")
        made.ask(8, duration_s=600)
        made.make(pod("runs", 1))
        soon(lambda: made.running() == {"runs"}, "a pod to run all the same")
        chart.upgrade(cluster)
        soon(lambda: made.cluster_says() == ("ok", None), "an upgrade to put it right")


def test_a_node_whose_taint_or_resource_is_gone_is_said(acme: Stand) -> None:
    path = f"/api/v1/nodes/{acme.nodes[0]}"
    acme.cluster.api.patch(path, headers=MERGE, json={"spec": {"taints": []}}).raise_for_status()
    nodes.announce(acme.cluster, acme.nodes[1], "0")
    soon(lambda: f"{acme.nodes[0]} of pool h100 has no taint" in str(acme.cluster_says()[1]), "the taint")
    lacks = f"{acme.nodes[1]} of pool h100 has no nvidia.com/gpu"
    soon(lambda: lacks in str(acme.cluster_says()[1]), "the resource")


def test_a_node_that_loses_its_label_and_taint_is_named_until_it_is_adopted_again(acme: Stand) -> None:
    node = acme.nodes[0]
    path = f"/api/v1/nodes/{node}"
    found = acme.cluster.get(path)
    taken = {"metadata": {"labels": {kube.POOL_LABEL: None}}, "spec": {"taints": None}}
    acme.cluster.api.patch(path, json=taken, headers=MERGE).raise_for_status()
    soon(lambda: f"{node} of pool h100 has no label" in str(acme.cluster_says()[1]), "the label to be missed")
    soon(lambda: f"{node} of pool h100 has no taint" in str(acme.cluster_says()[1]), "the taint to be missed")
    given = {
        "metadata": {"labels": {kube.POOL_LABEL: "h100"}},
        "spec": {"taints": found["spec"]["taints"]},
    }
    acme.cluster.api.patch(path, json=given, headers=MERGE).raise_for_status()
    soon(lambda: node not in str(acme.cluster_says()[1]), "it to be well")
