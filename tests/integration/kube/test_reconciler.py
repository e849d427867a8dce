"""The reconciler on a real API server: pods from the gate to their end."""

from collections.abc import Mapping
from typing import Any

import pytest

from dure import kube, wire
from dure.errors import WrongState
from scheduler.store import pools
from scheduler.store.db import Database
from tests.cluster import nodes
from tests.cluster.cluster import MERGE, Cluster
from tests.cluster.kwok import STUBBORN
from tests.integration.kube import chart
from tests.integration.kube.stand import ADMIN, GRACE_S, MARGIN_S, Stand, pod, seconds, soon, stand
from tests.integration.kube.workloads import deployment, indexed_job, job, jobset_pod, stateful_set


def test_a_pod_waits_at_the_gate_runs_when_its_lease_starts_and_is_gone_when_it_ends(acme: Stand) -> None:
    lease = acme.ask(8, start_in_s=20, duration_s=30)
    soon(lambda: acme.quota() == "8", "the quota of what is booked")
    acme.make(pod("early", 4))
    soon(lambda: acme.waits("early") == "not_started", "to be told why it waits")
    soon(lambda: "it starts by itself" in acme.told("early").get("NotStarted", ""), "the event")
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
    other = acme.ask(8, who=acme.globex, duration_s=600)
    acme.ask(8, start_in_s=3600, duration_s=60, pool="h100")
    acme.make(pod("foreign", 1, lease=other.id), pod("nobody", 1, lease="nothing"))
    soon(lambda: acme.waits("foreign") == acme.waits("nobody") == "unknown_lease", "both to be told")
    assert not acme.running()


def test_where_two_leases_would_do_the_label_says_which_and_the_name_will_do(acme: Stand) -> None:
    first = acme.ask(8, duration_s=600)
    second = acme.ask(8, duration_s=600, name="second")
    soon(lambda: acme.lease(first).state == acme.lease(second).state == "active", "both to start")
    acme.make(pod("either", 1), pod("named", 4, lease="second"), pod("by-id", 4, lease=first.id))
    soon(lambda: acme.running() >= {"named", "by-id"}, "those that say which")
    placed = {name: one["metadata"].get("labels", {}).get(kube.PLACEMENT_LABEL) for name, one in acme.pods().items()}
    assert placed == {"named": second.id, "by-id": first.id, "either": None}
    soon(lambda: acme.waits("either") == "which_lease", "the other to be told")
    soon(lambda: kube.LEASE_LABEL in acme.told("either").get("WhichLease", ""), "the event")


def test_pods_of_every_controller_run_on_their_lease(acme: Stand) -> None:
    lease = acme.ask(16, duration_s=600)
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
    acme.ask(shape={"nodes": 2, "gpus_per_node": 8}, duration_s=600, all_at_once=True)
    acme.make(pod("one", 8))
    soon(lambda: acme.waits("one") == "waits_for_all", "the first to wait")
    acme.make(pod("two", 8))
    soon(lambda: acme.running() == {"one", "two"}, "both to run")
    assert {one["spec"]["nodeName"] for one in acme.pods().values()} == set(acme.nodes)


def test_a_pod_with_a_longer_grace_than_its_lease_has_is_not_let_in(acme: Stand) -> None:
    acme.ask(8, duration_s=600)
    acme.make(pod("slow", 1, terminationGracePeriodSeconds=600))
    soon(lambda: acme.waits("slow") == "grace_too_long", "it to be told")
    soon(lambda: f"set {GRACE_S} at most" in acme.told("slow").get("GraceTooLong", ""), "the event")


def test_a_pod_is_told_that_its_leases_nodes_lack_the_resource_and_starts_once_they_have_it(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=600)
    soon(lambda: acme.lease(lease).state == "active", "the lease to start")
    [node] = {share.node for share in acme.lease(lease).placement}
    nodes.announce(acme.cluster, node, "0")
    acme.make(pod("early", 1))
    soon(lambda: acme.waits("early") == "no_resource", "it to be told why it waits")
    soon(lambda: f"{node} has 0" in acme.told("early").get("NoResource", ""), "the event")
    nodes.announce(acme.cluster, node, "8")
    soon(lambda: acme.running() == {"early"}, "it to run")


def test_once_extending_has_closed_the_kubelet_itself_knows_when_a_pod_ends(
    database: Database, cluster: Cluster
) -> None:
    with stand(database, cluster, extension_closes_s=30) as made, made.loop():
        soon(made.has_key, "the company's namespace and key")
        lease = made.ask(8, duration_s=60)
        made.make(pod("open", 1))
        soon(lambda: made.running() == {"open"}, "the pod to run")
        assert "activeDeadlineSeconds" not in made.pods()["open"]["spec"]
        soon(lambda: "activeDeadlineSeconds" in made.pods()["open"]["spec"], "its deadline")
        found = made.pods()["open"]
        ends = seconds(found["status"]["startTime"]) + found["spec"]["activeDeadlineSeconds"]
        assert ends == made.ends(lease) - MARGIN_S - 2  # its own grace comes after its deadline


def test_what_is_never_extended_has_its_deadline_when_it_is_let_in(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=600, extendable=False)
    acme.make(pod("fixed", 1))
    soon(lambda: acme.running() == {"fixed"}, "the pod to run")
    last = acme.ends(lease) - MARGIN_S - 2  # its own grace comes after its deadline
    soon(lambda: last - 3 <= _deadline(acme, "fixed") <= last, "its deadline")
    assert acme.refused_extension(lease) == "wrong_state"


def test_the_end_comes_by_its_steps_and_leaves_nothing(acme: Stand) -> None:
    """A pod that takes all of its grace, one that somebody deletes with a day's grace, one with a finalizer, one that a
    budget protects, and those that controllers make again.
    """
    lease = acme.ask(16, duration_s=40)
    stubborn = pod("stubborn", 1, terminationGracePeriodSeconds=GRACE_S)
    stubborn["metadata"]["annotations"] = {STUBBORN: "true"}
    acme.make(stubborn, pod("kept", 1), deployment("serve", 1, replicas=2), job("again", 1))
    soon(lambda: len(acme.running()) == 5, "all to run")
    with chart.break_glass(acme.cluster) as operator:
        body = {"metadata": {"finalizers": ["example.org/kept"]}}
        operator.patch(acme.path("kept"), json=body, headers=MERGE).raise_for_status()
        operator.post(
            f"/apis/policy/v1/namespaces/{acme.namespace()}/poddisruptionbudgets",
            json={"metadata": {"name": "all"}, "spec": {"minAvailable": "100%", "selector": {}}},
        ).raise_for_status()
    end = acme.ends(lease)
    soon(lambda: _is_going(acme, "stubborn"), "the first step")
    assert acme.clock.now() >= end - GRACE_S
    soon(lambda: acme.lease(lease).state == "ended", "the lease to end")
    soon(lambda: not _unfinished(acme), "nothing of it to be left")
    soon(lambda: all("spec" in one and one["spec"].get("schedulingGates") for one in acme.pods().values()), "the gate")


def test_an_extension_moves_the_end_of_what_runs_and_a_release_ends_it_at_once(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=300)
    acme.make(pod("runs", 1))
    soon(lambda: acme.running() == {"runs"}, "the pod to run")
    longer = acme.extend(lease, 600)
    soon(
        lambda: seconds(acme.pods()["runs"]["metadata"]["annotations"][kube.ENDS_AT]) == acme.ends(longer),
        "the new end on it",
    )
    acme.release(lease)
    soon(lambda: not acme.pods(), "the pod to be gone")


def test_a_pod_whose_lease_was_extended_runs_past_the_old_end_and_not_past_the_new_one(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=35)
    acme.make(pod("runs", 1))
    soon(lambda: acme.running() == {"runs"}, "the pod to run")
    old_end, longer = acme.ends(lease), acme.extend(lease, 15)
    soon(lambda: acme.clock.now() > old_end, "the old end to pass")
    assert acme.running() == {"runs"}
    soon(lambda: (row := acme.row("runs")) is not None and row.ended_at is not None, "the new end")
    assert acme.pods() == {}
    row = acme.row("runs")
    assert row is not None
    assert old_end < (row.ended_at or 0) <= acme.ends(longer)


def test_volumes_outlive_their_lease(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=30)
    claims = f"/api/v1/namespaces/{acme.namespace()}/persistentvolumeclaims"
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    body = {"metadata": {"name": "work"}, "spec": spec}
    soon(acme.has_key, "the company's namespace and key")
    with acme.tenant() as tenant:
        soon(lambda: tenant.post(claims, json=body).is_success, "the claim to be taken")
    volumes = [{"name": "work", "persistentVolumeClaim": {"claimName": "work"}}]
    acme.make(pod("uses", 1, volumes=volumes))
    soon(lambda: acme.row("uses"), "the pod")
    soon(lambda: acme.lease(lease).state == "ended" and not acme.pods(), "the end")
    found = acme.get(f"{claims}/work")
    assert found is not None
    assert "deletionTimestamp" not in found["metadata"]


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


def test_a_gang_that_lost_a_gpu_goes_on_with_another_node_and_the_pod_on_the_old_one_is_ended(acme: Stand) -> None:
    lease = acme.ask(shape={"nodes": 1, "gpus_per_node": 8}, duration_s=600)
    acme.make(pod("first", 8))
    soon(lambda: acme.running() == {"first"}, "the pod to run")
    node = acme.lease(lease).placement[0].node
    acme.sick.add(f"GPU-{node}-3")
    soon(lambda: acme.lease(lease).placement[0].node != node, "a spare node")
    assert not acme.lease(lease).degraded
    soon(lambda: not acme.running(), "the pod on the old node to end")
    soon(lambda: "LeaseEnding" in acme.told("first"), "the event")
    acme.make(pod("second", 8))
    soon(lambda: acme.running() == {"second"}, "the next pod to run")
    assert (
        acme.pods()["second"]["spec"]["nodeSelector"]["kubernetes.io/hostname"] == acme.lease(lease).placement[0].node
    )


def test_a_pod_past_the_gate_that_no_lease_explains_is_ended(acme: Stand) -> None:
    acme.ask(8, start_in_s=3600, duration_s=60)
    soon(lambda: acme.quota() == "8", "the quota of what is booked")
    body = pod("stray", 1, nodeName=acme.nodes[0])
    with chart.break_glass(acme.cluster) as operator:
        operator.post(f"/api/v1/namespaces/{acme.namespace()}/pods", json=body).raise_for_status()
        _ungated(operator, acme, "stray")
    soon(lambda: "stray" not in acme.running() and acme.row("stray") is not None, "it to be ended")
    soon(lambda: not acme.pods(), "it to be gone")


def test_a_pool_stays_in_its_cluster_while_leases_of_it_are_booked(acme: Stand) -> None:
    soon(acme.was_heard, "it to be written down that the cluster was heard")
    acme.ask(8, start_in_s=3600, duration_s=60)
    with pytest.raises(WrongState, match="1 leases that run or are scheduled"), acme.db.begin() as session:
        pools.change(session, "h100", wire.PoolChange(cluster=None), actor=ADMIN, now=acme.clock.now())


def test_a_gpu_that_is_not_shown_empty_after_its_lease_is_granted_to_nobody(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=25)
    acme.make(pod("runs", 1))
    soon(lambda: acme.running() == {"runs"}, "the pod to run")
    held = acme.lease(lease).gpus[0]
    acme.busy.add(held.uuid)
    soon(lambda: acme.lease(lease).state == "ended", "the end")
    soon(lambda: acme.gpus_by_state().get("quarantined") == 1, "the quarantine")
    acme.busy.clear()
    soon(lambda: not acme.gpus_by_state().get("quarantined"), "it to be lifted")


def _ungated(operator: Any, acme: Stand, name: str) -> None:
    """Whatever became of it at its creation: past the gate, without a lease."""
    found = acme.pods().get(name)
    # It may be ended by now.
    if found is not None and found["spec"].get("schedulingGates"):
        operations = [{"op": "remove", "path": "/spec/schedulingGates"}]
        headers = {"Content-Type": "application/json-patch+json"}
        operator.patch(acme.path(name), json=operations, headers=headers).raise_for_status()


def _deadline(acme: Stand, name: str) -> float:
    found = acme.pods()[name]
    return seconds(found["status"]["startTime"]) + found["spec"].get("activeDeadlineSeconds", 0)


def _is_going(acme: Stand, name: str) -> bool:
    found = acme.pods().get(name)
    return found is None or "deletionTimestamp" in found["metadata"]


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
