"""A company with a lease, a neighbour with another, and people with their own keys: the scene of every attempt."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from dure import kube, wire
from scheduler.store.db import Database
from tests.cluster.cluster import Cluster
from tests.cluster.kwok import COMPLETES_AFTER
from tests.integration.kube import chart
from tests.integration.kube.escapes import objects, oracle
from tests.integration.kube.escapes.ledger import Holding, Ledger
from tests.integration.kube.stand import Stand, stand

WITHIN_S = 60.0
LOOK_S = 0.2

RULER = "ruler"

NODES, GPUS = 5, 8
OURS, THEIRS = 20, 12
"""GPUs of the two leases: so one node is shared by both, and one is idle."""

BOOKED = 20
"""Leases of all the pool that the company has ahead: so wide a quota that it is the gate and the policies that hold."""

LONG_S = 7200


@dataclass(slots=True, kw_only=True)
class Story:
    """One phase of the lease, in namespaces and on nodes of its own."""

    stand: Stand
    ledger: Ledger
    people: dict[str, httpx.Client]
    operator: httpx.Client
    words: dict[str, Any]
    bounds: oracle.Bounds
    """What bounds the companies, as it was when the phase began."""
    began: str
    """The version of all pods then."""

    @property
    def cluster(self) -> Cluster:
        return self.stand.cluster

    @property
    def namespace(self) -> str:
        """The company's whose people try."""
        return self.stand.namespace()

    @property
    def namespaces(self) -> list[str]:
        return [self.namespace, self.stand.namespace(self.stand.globex)]

    def pods(self, **labels: str) -> list[dict[str, Any]]:
        """Of the company, with these labels, as the administrator sees them."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        return self.cluster.api.get(path, params={"labelSelector": selector}).raise_for_status().json()["items"]

    def settled(self) -> bool:
        """Whether the cluster's scheduler has looked at every pod that no gate holds."""
        return all(map(_looked_at, self.pods()))

    def events(self) -> list[dict[str, Any]]:
        """Every change of every pod since the phase began."""
        params = {"watch": "true", "resourceVersion": self.began, "timeoutSeconds": "1"}
        answer = self.cluster.api.get("/api/v1/pods", params=params).raise_for_status()
        return [json.loads(line) for line in answer.text.splitlines()]


def until(condition: Callable[[], Any], what: str | Callable[[], str]) -> None:
    """Raises AssertionError, which says what was waited for, when it does not come true for long."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what() if callable(what) else what}"
        time.sleep(LOOK_S)


@contextmanager
def told(database: Database, cluster: Cluster, phase: str) -> Iterator[Story]:
    """Up to the given phase of the lease; what was made is taken away after it."""
    with ExitStack() as stack:
        made = stack.enter_context(stand(database, cluster, count=NODES, gpus=GPUS, grace_s=30, extension_closes_s=120))
        working = stack.enter_context(ExitStack())
        working.enter_context(made.loop())
        until(lambda: made.has_key() and made.has_key(who=made.globex), "the companies' keys")
        theirs = made.ask(THEIRS, who=made.globex, duration_s=LONG_S)
        early: dict[str, Any] = {"start_in_s": 3600} if phase == "before" else {}
        ours = made.ask(OURS, duration_s=LONG_S, **early)
        ledger = Ledger(frozenset(made.nodes), [_holding(ours, phase != "before"), _holding(theirs, True)])
        operator = stack.enter_context(chart.break_glass(cluster))
        words = _words(made, operator, ledger, stack)
        story = Story(stand=made, ledger=ledger, people={}, operator=operator, words=words, bounds={}, began="")
        _cast(story, stack)
        if phase != "before":
            _begun(story, stack)
        if phase == "after":
            _ended(story, ours)
        if phase == "stopped":
            working.close()
        story.bounds = oracle.bounds(cluster, story.namespaces)
        story.began = cluster.get("/api/v1/pods")["metadata"]["resourceVersion"]
        yield story


def _cast(story: Story, stack: ExitStack) -> None:
    """The neighbour at work, a pod of tomorrow's lease at the gate, and the people."""
    made = story.stand
    tomorrow = [made.ask(NODES * GPUS, duration_s=100, start_in_s=86_400 + number * 200).id for number in range(BOOKED)]
    for who in (made.acme, made.globex):
        until(lambda who=who: made.quota(who) == str(made.booked(who)), "the quota of what is booked")
    with made.tenant(made.globex) as neighbour:
        for number, gpus in enumerate((4, 8)):
            _make(neighbour, story, f"theirs-{number}", story.words["their_lease"], who=made.globex, gpus=gpus)
    story.people["company"] = stack.enter_context(made.tenant())
    story.people[RULER] = stack.enter_context(story.cluster.http(f"{RULER}-{made.acme}", []))
    _enthrone(story)
    _volume(story, stack)
    _make(story.people["company"], story, "waiting", tomorrow[0])
    until(lambda: len(made.running(made.globex)) == 2, "the neighbour's pods")


def _begun(story: Story, stack: ExitStack) -> None:
    """Its key, and a pod that runs on it."""
    made, account = story.stand, story.words["account"]
    until(lambda: made.has_key(account), "the lease's key")
    story.people["lease"] = stack.enter_context(made.tenant(account=account))
    spec = {"volumes": [{"name": "scratch", "emptyDir": {}}], "activeDeadlineSeconds": LONG_S}
    _make(story.people["company"], story, "running", story.words["lease"], **spec)
    for who in ("lease", RULER):
        for name, annotations in ((f"spare-{who}", {}), (f"done-{who}", {COMPLETES_AFTER: "0.1s"})):
            plain = objects.build({"cpu": {"metadata": {"annotations": annotations}}}, {**story.words, "name": name})
            story.people["company"].post(f"/api/v1/namespaces/{story.namespace}/pods", json=plain).raise_for_status()
    until(lambda: {"running", "spare-lease", "spare-ruler"} <= made.running(), "the company's pods")
    until(lambda: all(_is_over(made.pods()[f"done-{who}"]) for who in ("lease", RULER)), "those that finish")


def _is_over(pod: dict[str, Any]) -> bool:
    return pod["status"].get("phase") == "Succeeded"


def _ended(story: Story, ours: wire.Lease) -> None:
    made, account = story.stand, story.words["account"]
    made.release(ours)
    gone = f"/api/v1/namespaces/{story.namespace}/serviceaccounts/{account}"
    until(lambda: "running" not in made.pods() and made.get(gone) is None, "the lease's pod and key to be gone")
    until(lambda: made.lease(ours).state == "ended", "the lease to be over")
    until(lambda: made.quota() == str(made.booked(made.acme)), "the quota of what is still booked")
    story.ledger.leases[0].held = False


def _holding(lease: wire.Lease, held: bool) -> Holding:
    placement = {share.node: share.gpus for share in lease.placement}
    return Holding(id=lease.id, company=lease.company, nodes=placement, held=held)


def _enthrone(story: Story) -> None:
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": RULER},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": f"{RULER}-{story.stand.acme}"}],
    }
    path = f"/apis/{rbac}/v1/namespaces/{story.namespace}/rolebindings"
    story.operator.post(path, json=binding).raise_for_status()


def _volume(story: Story, stack: ExitStack) -> None:
    """What a claim called like its volume is bound to; there is no provisioner here."""
    name, path = f"{story.stand.acme}-data", "/api/v1/persistentvolumes"
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "hostPath": {"path": "/none"},
        "claimRef": {"namespace": story.namespace, "name": "data"},
    }
    story.operator.post(path, json={"metadata": {"name": name}, "spec": spec}).raise_for_status()
    stack.callback(story.operator.delete, f"{path}/{name}")


def _make(
    client: httpx.Client, story: Story, name: str, lease: str, *, who: str | None = None, gpus: int = 1, **spec: Any
) -> None:
    said = {"pod": {"spec": spec}, "container": {"resources": {"limits": {kube.DEFAULT_RESOURCE: gpus}}}}
    pod = objects.build(said, {**story.words, "lease": lease, "name": name})
    client.post(f"/api/v1/namespaces/{story.stand.namespace(who)}/pods", json=pod).raise_for_status()


def _looked_at(pod: dict[str, Any]) -> bool:
    spec, conditions = pod["spec"], pod["status"].get("conditions", [])
    done = spec.get("schedulingGates") or spec.get("nodeName") or "deletionTimestamp" in pod["metadata"]
    return bool(done) or any(c["type"] == "PodScheduled" and c.get("reason") == "Unschedulable" for c in conditions)


def _words(made: Stand, operator: httpx.Client, ledger: Ledger, stack: ExitStack) -> dict[str, Any]:
    """What attempts speak of: see objects.py."""
    ours, theirs = ledger.leases
    words = {
        **_tempting(made.tag, operator, stack),
        "company": made.acme,
        "ns": made.namespace(),
        "lease": ours.id,
        "account": kube.lease_account(ours.id),
        "node": next(iter(ours.nodes)),
        "waiting": "waiting",
        "running": "running",
        "their_ns": made.namespace(made.globex),
        "their_lease": theirs.id,
        "their_node": next(iter(theirs.nodes)),
        "their_pod": "theirs-0",
        "idle_node": next(name for name in made.nodes if name not in {*ours.nodes, *theirs.nodes}),
        "many_containers": [{"name": f"c{number}", "image": "busybox"} for number in range(40)],
        "many_variables": [{"name": f"V{number}", "value": "x"} for number in range(600)],
    }
    return {**words, "plain_pod": objects.build({"cpu": {}}, {**words, "name": "elsewhere"})}


def _tempting(tag: str, operator: httpx.Client, stack: ExitStack) -> dict[str, str]:
    """Things of the operator's that a tenant might want to use."""
    tolerations = [{"key": kube.TAINT_KEY, "operator": "Exists"}]
    made = {
        "/apis/node.k8s.io/v1/runtimeclasses": {"handler": "runc", "scheduling": {"tolerations": tolerations}},
        "/apis/scheduling.k8s.io/v1/priorityclasses": {"value": 1_000_000},
        "/apis/resource.k8s.io/v1/deviceclasses": {"spec": {"extendedResourceName": f"example.org/gpu-{tag}"}},
    }
    for path, body in made.items():
        operator.post(path, json={"metadata": {"name": f"test-{tag}"}, **body}).raise_for_status()
        stack.callback(operator.delete, f"{path}/test-{tag}")
    names = dict.fromkeys(("runtime_class", "priority_class", "device_class"), f"test-{tag}")
    return {**names, "device_class_resource": f"deviceclass.resource.kubernetes.io/test-{tag}"}
