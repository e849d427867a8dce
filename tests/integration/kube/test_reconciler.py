"""Leases enforced on a real API server, by the chart's own account, with tenants who make pods by their own keys."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from dure import kube, wire
from dure.errors import WrongState
from scheduler.kube import tenure
from scheduler.store import closing, pools
from scheduler.store.db import Database
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kwok import STUBBORN
from tests.integration.kube import chart, companies
from tests.integration.kube.stand import ADMIN, MARGIN_S, Stand, pod, seconds, soon, stand
from tests.integration.kube.workloads import deployment, indexed_job, job, jobset_pod, stateful_set

DEAD_WITHIN_S = 1.0

QUOTA = f"/api/v1/namespaces/{{}}/resourcequotas/{kube.QUOTA}"
LIMITS = f"/api/v1/namespaces/{{}}/limitranges/{kube.LIMITS}"
ISOLATION = f"/apis/networking.k8s.io/v1/namespaces/{{}}/networkpolicies/{kube.ISOLATION}"
KEY = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{{}}/rolebindings/{kube.COMPANY_KEY}"
LEVEL = "pod-security.kubernetes.io/enforce"


@pytest.fixture
def acme(database: Database, cluster: Cluster) -> Iterator[Stand]:
    with stand(database, cluster) as made, made.loop():
        soon(made.has_key, "the company's namespace and key")
        yield made


def test_a_pod_waits_at_the_gate_runs_when_its_lease_starts_and_is_gone_when_it_ends(acme: Stand) -> None:
    lease = acme.ask(8, start_in_s=12, duration_s=16)
    soon(lambda: acme.quota() == "8", "the quota of what is booked")
    acme.make(pod("early", 4))
    soon(lambda: acme.waits("early") == "not_started", "to be told why it waits")
    assert "it starts by itself" in acme.told("early")["NotStarted"]
    assert acme.pods()["early"]["spec"]["schedulingGates"] == [{"name": kube.GATE}]
    soon(lambda: acme.running() == {"early"}, "the pod to run")
    found = acme.pods()["early"]
    assert found["metadata"]["labels"][kube.PLACEMENT_LABEL] == lease.id
    assert found["spec"]["nodeName"] in {share.node for share in acme.lease(lease).placement}
    assert seconds(found["metadata"]["annotations"][kube.ENDS_AT]) == acme.ends(lease)
    assert acme.clock.now() >= acme.starts(lease)
    soon(lambda: acme.lease(lease).state == "ended", "the lease to end")
    assert not acme.running()
    soon(lambda: not acme.pods(), "the pod to be gone")
    soon(lambda: (row := acme.row("early")) is not None and row.ended_at is not None, "its end to be written down")


def test_who_has_no_lease_or_names_one_that_is_not_there_is_told_so(acme: Stand) -> None:
    other = acme.ask(8, who=acme.globex, duration_s=60)
    acme.ask(8, start_in_s=3600, duration_s=60, pool="h100")
    acme.make(pod("foreign", 1, lease=other.id), pod("nobody", 1, lease="nothing"))
    soon(lambda: acme.waits("foreign") == acme.waits("nobody") == "unknown_lease", "both to be told")
    assert not acme.running()


def test_where_two_leases_would_do_the_label_says_which_and_the_name_will_do(acme: Stand) -> None:
    first = acme.ask(8, duration_s=60)
    second = acme.ask(8, duration_s=60, name="second")
    soon(lambda: acme.lease(first).state == acme.lease(second).state == "active", "both to start")
    acme.make(pod("either", 1), pod("named", 4, lease="second"), pod("by-id", 4, lease=first.id))
    soon(lambda: acme.running() >= {"named", "by-id"}, "those that say which")
    placed = {name: one["metadata"].get("labels", {}).get(kube.PLACEMENT_LABEL) for name, one in acme.pods().items()}
    assert placed == {"named": second.id, "by-id": first.id, "either": None}
    soon(lambda: acme.waits("either") == "which_lease", "the other to be told")
    assert kube.LEASE_LABEL in acme.told("either")["WhichLease"]


def test_pods_of_every_controller_run_on_their_lease(acme: Stand) -> None:
    lease = acme.ask(16, duration_s=60)
    acme.make(
        job("job", 2),
        indexed_job("gang", 2, pods=2),
        deployment("serve", 2, replicas=2),
        stateful_set("state", 1, replicas=2),
        jobset_pod("set-0", 1),
        pod("bare", 1),
    )
    soon(lambda: len(acme.running()) == 9, "all nine pods to run")
    for one in acme.pods().values():
        assert one["metadata"]["labels"][kube.PLACEMENT_LABEL] == lease.id
    assert max(_used(acme).values()) <= 8


def test_a_gang_starts_once_all_of_it_is_there(acme: Stand) -> None:
    acme.ask(shape={"nodes": 2, "gpus_per_node": 8}, duration_s=60, all_at_once=True)
    acme.make(pod("one", 8))
    soon(lambda: acme.waits("one") == "waits_for_all", "the first to wait")
    acme.make(pod("two", 8))
    soon(lambda: acme.running() == {"one", "two"}, "both to run")
    assert {one["spec"]["nodeName"] for one in acme.pods().values()} == set(acme.nodes)


def test_a_pod_with_a_longer_grace_than_its_lease_has_is_not_let_in(acme: Stand) -> None:
    acme.ask(8, duration_s=60)
    acme.make(pod("slow", 1, terminationGracePeriodSeconds=600))
    soon(lambda: acme.waits("slow") == "grace_too_long", "it to be told")
    assert "set 6 at most" in acme.told("slow")["GraceTooLong"]


def test_a_pod_is_told_that_its_leases_nodes_lack_the_resource_and_starts_once_they_have_it(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=120)
    soon(lambda: acme.lease(lease).state == "active", "the lease to start")
    [node] = {share.node for share in acme.lease(lease).placement}
    _has(acme, node, "0")
    acme.make(pod("early", 1))
    soon(lambda: acme.waits("early") == "no_resource", "it to be told why it waits")
    assert f"{node} has 0" in acme.told("early")["NoResource"]
    _has(acme, node, "8")
    soon(lambda: acme.running() == {"early"}, "it to run")


def _has(acme: Stand, node: str, gpus: str) -> None:
    """What its kubelet says that its device plugin has."""
    amounts = {kube.DEFAULT_RESOURCE: gpus}
    body = {"status": {"capacity": amounts, "allocatable": amounts}}
    acme.cluster.api.patch(f"/api/v1/nodes/{node}/status", headers=companies.MERGE, json=body).raise_for_status()


def test_once_extending_has_closed_the_kubelet_itself_knows_when_a_pod_ends(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=24)
    acme.make(pod("open", 1))
    soon(lambda: acme.running() == {"open"}, "the pod to run")
    assert "activeDeadlineSeconds" not in acme.pods()["open"]["spec"]
    soon(lambda: "activeDeadlineSeconds" in acme.pods()["open"]["spec"], "its deadline")
    found = acme.pods()["open"]
    ends = seconds(found["status"]["startTime"]) + found["spec"]["activeDeadlineSeconds"]
    assert ends == acme.ends(lease) - MARGIN_S - 2  # its own grace comes after its deadline


def test_what_is_never_extended_has_its_deadline_when_it_is_let_in(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=40, extendable=False)
    acme.make(pod("fixed", 1))
    soon(lambda: acme.running() == {"fixed"}, "the pod to run")
    last = acme.ends(lease) - MARGIN_S - 2  # its own grace comes after its deadline
    soon(lambda: last - 3 <= _deadline(acme, "fixed") <= last, "its deadline")
    assert acme.refused_extension(lease) == "wrong_state"


def test_the_end_comes_by_its_steps_and_leaves_nothing(acme: Stand) -> None:
    """A pod that takes all of its grace, one that somebody deletes with a day's grace, one with a finalizer, one that a
    budget protects, and those that controllers make again.
    """
    lease = acme.ask(16, duration_s=22)
    stubborn = pod("stubborn", 1, terminationGracePeriodSeconds=6)
    stubborn["metadata"]["annotations"] = {STUBBORN: "true"}
    acme.make(stubborn, pod("kept", 1), deployment("serve", 1, replicas=2), job("again", 1))
    soon(lambda: len(acme.running()) == 5, "all to run")
    with chart.break_glass(acme.cluster) as operator:
        body = {"metadata": {"finalizers": ["example.org/kept"]}}
        operator.patch(
            acme.path("kept"), json=body, headers={"Content-Type": "application/merge-patch+json"}
        ).raise_for_status()
        operator.post(
            f"/apis/policy/v1/namespaces/{acme.namespace()}/poddisruptionbudgets",
            json={"metadata": {"name": "all"}, "spec": {"minAvailable": "100%", "selector": {}}},
        ).raise_for_status()
    end = acme.ends(lease)
    soon(lambda: "deletionTimestamp" in acme.pods()["stubborn"]["metadata"], "the first step")
    assert acme.clock.now() >= end - 6
    soon(lambda: acme.lease(lease).state == "ended", "the lease to end")
    soon(lambda: not _unfinished(acme), "nothing of it to be left", within_s=5)
    soon(lambda: all("spec" in one and one["spec"].get("schedulingGates") for one in acme.pods().values()), "the gate")


def test_an_extension_moves_the_end_of_what_runs_and_a_release_ends_it_at_once(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=25)
    acme.make(pod("runs", 1))
    soon(lambda: acme.running() == {"runs"}, "the pod to run")
    longer = acme.extend(lease, 600)
    soon(
        lambda: seconds(acme.pods()["runs"]["metadata"]["annotations"][kube.ENDS_AT]) == acme.ends(longer),
        "the new end on it",
    )
    acme.release(lease)
    soon(lambda: not acme.pods(), "the pod to be gone", within_s=8)


def test_the_end_is_told_on_the_pod_and_by_an_event(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=100)
    acme.make(pod("warned", 1))
    soon(
        lambda: kube.ENDING in acme.pods().get("warned", {"metadata": {}})["metadata"].get("annotations", {}), "a mark"
    )
    soon(lambda: lease.id in acme.told("warned").get("LeaseEnding", ""), "an event")


def test_what_a_lease_gives_back_is_taken_from_its_newest_pod(acme: Stand) -> None:
    lease = acme.ask(shape={"nodes": 2, "gpus_per_node": 8}, duration_s=300, purpose="inference")
    acme.make(pod("older", 8))
    soon(lambda: "older" in acme.running(), "the first")
    acme.make(pod("newer", 8))
    soon(lambda: "newer" in acme.running(), "the second")
    acme.resize(lease, nodes=1)
    soon(lambda: acme.running() == {"older"}, "the newer to go")


def test_what_somebody_changes_is_put_right(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=300)
    soon(lambda: acme.has_key(kube.lease_account(lease.id)), "the lease's key")
    inside = f"/namespaces/{acme.namespace()}"
    with chart.break_glass(acme.cluster) as operator:
        merge = {"Content-Type": "application/merge-patch+json"}
        quota = {"spec": {"hard": {"requests.nvidia.com/gpu": "800"}}}
        operator.patch(f"/api/v1{inside}/resourcequotas/{kube.QUOTA}", json=quota, headers=merge).raise_for_status()
        operator.delete(f"/api/v1{inside}/limitranges/{kube.LIMITS}").raise_for_status()
        operator.delete(f"/apis/networking.k8s.io/v1{inside}/networkpolicies/{kube.ISOLATION}").raise_for_status()
        labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
        operator.patch(f"/api/v1{inside}", json=labels, headers=merge).raise_for_status()
        binding = f"/apis/rbac.authorization.k8s.io/v1{inside}/rolebindings/{kube.lease_account(lease.id)}"
        operator.delete(binding).raise_for_status()
    soon(lambda: acme.quota() == "8", "the quota")
    soon(lambda: acme.get(f"/api/v1{inside}/limitranges/{kube.LIMITS}"), "the limits")
    soon(lambda: acme.get(f"/apis/networking.k8s.io/v1{inside}/networkpolicies/{kube.ISOLATION}"), "the isolation")
    soon(lambda: acme.has_key(kube.lease_account(lease.id)), "the lease's key again")
    level = "pod-security.kubernetes.io/enforce"
    soon(lambda: acme.cluster.get(f"/api/v1{inside}")["metadata"]["labels"][level] == "baseline", "Pod Security")


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


def test_what_somebody_puts_beside_is_taken_off_and_nothing_is_done_twice(database: Database, cluster: Cluster) -> None:
    with stand(database, cluster) as made, made.loop():
        soon(made.has_key, "the company's namespace and key")
        before = {path: _meant(made.cluster.get(path.format(made.namespace()))) for path, _ in BESIDE}
        with chart.break_glass(made.cluster) as operator:
            for path, body in BESIDE:
                at = path.format(made.namespace())
                operator.patch(at, headers=companies.MERGE, json=body).raise_for_status()
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


def test_a_lease_s_key_works_while_it_runs_and_is_dead_within_a_second_of_its_end(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=14)
    soon(lambda: acme.has_key(kube.lease_account(lease.id)), "the lease's key")
    with acme.tenant(account=kube.lease_account(lease.id)) as key:
        path = f"/api/v1/namespaces/{acme.namespace()}/pods"
        soon(lambda: key.get(path).status_code == 200, "the key to work")
        end = acme.ends(lease)
        soon(lambda: acme.clock.now() > end + 1, "a second after the end")
        assert key.get(path).status_code in (401, 403)
        assert key.post(path, json=pod("late")).status_code in (401, 403)


def test_a_pod_past_the_gate_that_no_lease_explains_is_ended(acme: Stand) -> None:
    acme.ask(8, start_in_s=3600, duration_s=60)
    soon(lambda: acme.quota() == "8", "the quota of what is booked")
    body = pod("stray", 1, nodeName=acme.nodes[0])
    with chart.break_glass(acme.cluster) as operator:
        operator.post(f"/api/v1/namespaces/{acme.namespace()}/pods", json=body)
        _ungated(operator, acme, "stray")
    soon(lambda: "stray" not in acme.running() and acme.row("stray") is not None, "it to be ended")
    soon(lambda: not acme.pods(), "it to be gone")


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
    lease = acme.ask(8, duration_s=20)
    acme.make(pod("runs", 1))
    soon(lambda: acme.running() == {"runs"}, "the pod to run")
    path = f"/api/v1/namespaces/{acme.namespace()}"
    with chart.break_glass(acme.cluster) as operator:
        body = {"metadata": {"labels": dict.fromkeys(labels)}}
        operator.patch(path, headers=companies.MERGE, json=body).raise_for_status()
    soon(lambda: acme.cluster.get(path)["metadata"]["labels"].get(kube.COMPANY_LABEL) == acme.acme, "the labels")
    assert acme.cluster.get(path)["metadata"]["labels"][kube.MANAGED_BY] == kube.MANAGER
    soon(lambda: acme.lease(lease).state == "ended", "the lease to end")
    assert not acme.running()


def test_what_was_let_in_ends_with_its_lease_in_a_namespace_that_is_ours_no_more(
    database: Database, cluster: Cluster
) -> None:
    with stand(database, cluster) as made:
        with made.loop():
            soon(made.has_key, "the company's namespace and key")
            lease = made.ask(8, duration_s=30)
            made.make(pod("runs", 1))
            soon(lambda: made.running() == {"runs"}, "the pod to run")
        space = f"/namespaces/{made.namespace()}"
        with chart.break_glass(cluster) as operator:
            labels = {"metadata": {"labels": {kube.COMPANY_LABEL: None, kube.MANAGED_BY: None}}}
            operator.patch(f"/api/v1{space}", headers=companies.MERGE, json=labels).raise_for_status()
            binding = f"/apis/rbac.authorization.k8s.io/v1{space}/rolebindings/{kube.COMPANY_KEY}"
            operator.delete(binding).raise_for_status()
        with made.loop() as running:
            soon(lambda: "does not carry Dure's labels" in str(made.cluster_says()[1]), "it to be said")
            assert running.value("dure_kube_companies_troubled", cluster="main") == 1
            assert made.running() == {"runs"}
            soon(lambda: made.lease(lease).state == "ended", "the lease to end", within_s=60)
            assert not made.running()
        assert made.get(binding) is None


def test_a_pool_stays_in_its_cluster_while_leases_of_it_are_booked(acme: Stand) -> None:
    acme.ask(8, start_in_s=3600, duration_s=60)
    with pytest.raises(WrongState, match="1 leases that run or are scheduled"), acme.db.begin() as session:
        pools.change(session, "h100", wire.PoolChange(cluster=None), actor=ADMIN, now=acme.clock.now())


def test_what_runs_is_ended_though_somebody_took_the_gate_away_and_nothing_new_begins(
    database: Database, control_planes: Callable[..., ControlPlane], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenure, "FIT_S", 1.0)
    cluster = control_planes().cluster
    with stand(database, cluster) as made, made.loop() as running:
        soon(made.has_key, "the company's namespace and key")
        made.ask(8, duration_s=20)
        made.make(pod("runs", 1))
        soon(lambda: made.running() == {"runs"}, "the pod to run")
        with chart.break_glass(cluster) as operator:
            path = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings/dure-gate"
            operator.delete(path).raise_for_status()
        soon(lambda: running.value("dure_cluster_up", cluster="main") == 0, "it to be said")
        soon(lambda: not made.pods(), "the pod to be ended with its lease", within_s=60)


def test_what_somebody_changes_in_the_policies_is_said_by_name_and_work_goes_on(
    database: Database, control_planes: Callable[..., ControlPlane], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenure, "FIT_S", 1.0)
    cluster = control_planes().cluster
    root = "/apis/admissionregistration.k8s.io/v1"
    with stand(database, cluster) as made, made.loop() as running:
        soon(made.has_key, "the company's namespace and key")
        soon(lambda: made.cluster_says() == ("ok", None), "all to be well")
        with chart.break_glass(cluster) as operator:
            operator.delete(f"{root}/validatingadmissionpolicies/dure-hosts").raise_for_status()
            binding = f"{root}/validatingadmissionpolicybindings/dure-claims"
            body = {"spec": {"validationActions": ["Audit"]}}
            operator.patch(binding, headers=companies.MERGE, json=body).raise_for_status()
        soon(lambda: running.value("dure_cluster_alarms", cluster="main") == 2, "both to be said")
        soon(lambda: made.cluster_says()[0] == "trouble", "people to be told")
        said = str(made.cluster_says()[1])
        assert "policy dure-hosts is missing" in said
        assert "binding dure-claims was changed by hand in validationActions" in said
        assert running.value("dure_cluster_up", cluster="main") == 1
        made.ask(8, duration_s=60)
        made.make(pod("runs", 1))
        soon(lambda: made.running() == {"runs"}, "a pod to run all the same")
        chart.upgrade(cluster)
        soon(lambda: made.cluster_says() == ("ok", None), "an upgrade to put it right")


def test_a_node_whose_taint_or_resource_is_gone_is_said(acme: Stand) -> None:
    path = f"/api/v1/nodes/{acme.nodes[0]}"
    acme.cluster.api.patch(path, headers=companies.MERGE, json={"spec": {"taints": []}}).raise_for_status()
    _has(acme, acme.nodes[1], "0")
    soon(lambda: f"{acme.nodes[0]} of pool h100 has no taint" in str(acme.cluster_says()[1]), "the taint")
    assert f"{acme.nodes[1]} of pool h100 has no nvidia.com/gpu" in str(acme.cluster_says()[1])


def test_a_gpu_that_is_not_shown_empty_after_its_lease_is_granted_to_nobody(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=10)
    acme.make(pod("runs", 1))
    soon(lambda: acme.running() == {"runs"}, "the pod to run")
    held = acme.lease(lease).gpus[0]
    acme.busy.add(held.uuid)
    soon(lambda: acme.lease(lease).state == "ended", "the end")
    soon(lambda: acme.gpus_by_state().get("quarantined") == 1, "the quarantine")
    acme.busy.clear()
    soon(lambda: not acme.gpus_by_state().get("quarantined"), "it to be lifted")


def test_a_company_that_was_closed_loses_its_namespace_after_its_grace(database: Database, cluster: Cluster) -> None:
    with stand(database, cluster) as made:
        with made.loop():
            soon(made.has_key, "the company's namespace")
        made.close_company(ago_s=made.terms.removal_grace_s - 4)
        with made.loop():
            assert cluster.api.get(f"/api/v1/namespaces/{made.namespace()}").status_code == 200
            soon(lambda: _is_going(cluster, made.namespace()), "the namespace to go")
            assert not _is_going(cluster, made.namespace(made.globex))


def test_a_companys_key_dies_with_it_in_a_cluster_that_no_pool_names_any_more(acme: Stand) -> None:
    path = f"/api/v1/namespaces/{acme.namespace()}/secrets"
    soon(acme.has_key, "the company's namespace")
    with acme.tenant() as key:
        soon(lambda: key.get(path).status_code == 200, "the key to work")
        with acme.db.begin() as session:
            pools.change(session, "h100", wire.PoolChange(cluster=None), actor=ADMIN, now=acme.clock.now())
            closing.close(session, acme.acme, actor=ADMIN, now=acme.clock.now())
        soon(lambda: key.get(path).status_code in (401, 403), "the key to be dead")


def test_a_company_s_key_is_dead_within_a_second_of_its_closing_and_anew_once_it_is_opened(acme: Stand) -> None:
    path = f"/api/v1/namespaces/{acme.namespace()}/secrets"
    with acme.tenant() as key:
        soon(lambda: key.get(path).status_code == 200, "the key to work")
        with acme.db.begin() as session:
            closing.close(session, acme.acme, actor=ADMIN, now=acme.clock.now())
        closed = time.monotonic()
        soon(lambda: key.get(path).status_code in (401, 403), "the key to be dead")
        took_s = time.monotonic() - closed
        assert took_s < DEAD_WITHIN_S
        soon(
            lambda: acme.get(f"/api/v1/namespaces/{acme.namespace()}/serviceaccounts/{kube.COMPANY_KEY}") is None,
            "its account to go",
        )
        with acme.db.begin() as session:
            closing.reopen(session, acme.acme, actor=ADMIN, now=acme.clock.now())
        soon(acme.has_key, "a key anew")
        with acme.tenant() as anew:
            soon(lambda: anew.get(path).status_code == 200, "it to work")
        soon(lambda: key.get(path).status_code == 401, "the old one to stay dead")
    print(f"dead {took_s:.2f} s after the close")


def _ungated(operator: Any, acme: Stand, name: str) -> None:
    """Whatever became of it at its creation: past the gate, without a lease."""
    found = acme.pods().get(name)
    if found is None:
        body = pod(name, 1)
        operator.post(f"/api/v1/namespaces/{acme.namespace()}/pods", json=body).raise_for_status()
        found = acme.pods()[name]
    if found["spec"].get("schedulingGates"):
        operations = [{"op": "remove", "path": "/spec/schedulingGates"}]
        headers = {"Content-Type": "application/json-patch+json"}
        operator.patch(acme.path(name), json=operations, headers=headers).raise_for_status()


def _is_going(cluster: Cluster, namespace: str) -> bool:
    answer = cluster.api.get(f"/api/v1/namespaces/{namespace}")
    return answer.status_code == 404 or "deletionTimestamp" in answer.json()["metadata"]


def _deadline(acme: Stand, name: str) -> float:
    found = acme.pods()[name]
    return seconds(found["status"]["startTime"]) + found["spec"].get("activeDeadlineSeconds", 0)


def _unfinished(acme: Stand) -> list[str]:
    return [
        name
        for name, one in acme.pods().items()
        if not one["spec"].get("schedulingGates") and one["status"].get("phase") not in ("Failed", "Succeeded")
    ]


def _used(acme: Stand) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for one in acme.pods().values():
        for container in one["spec"]["containers"]:
            node = one["spec"]["nodeName"]
            found[node] = found.get(node, 0) + int(container["resources"]["limits"][kube.DEFAULT_RESOURCE])
    return found
