"""A company with a lease, a neighbour with another, and people with their own keys: the scene of every attempt."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from dure import kube
from tests.cluster import nodes
from tests.cluster.cluster import Cluster
from tests.integration.kube import chart
from tests.integration.kube.escapes import objects
from tests.integration.kube.escapes.ledger import Lease, Ledger
from tests.integration.kube.escapes.oracle import QUOTA
from tests.integration.kube.escapes.stand_in import Reconciler, StandIn

WITHIN_S = 30.0
LOOK_S = 0.05

RULER = "ruler"


@dataclass(slots=True, kw_only=True)
class Story:
    """One phase of the lease, in namespaces and on nodes of its own."""

    cluster: Cluster
    ledger: Ledger
    reconciler: Reconciler
    lease: Lease
    theirs: Lease
    people: dict[str, httpx.Client]
    operator: httpx.Client
    words: dict[str, Any]
    began: str
    """The version of all pods when the phase began."""

    @property
    def namespaces(self) -> list[str]:
        return [self.lease.namespace, self.theirs.namespace]

    def pods(self, **labels: str) -> list[dict[str, Any]]:
        """Of the company, with these labels, as the administrator sees them."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        path = f"/api/v1/namespaces/{self.lease.namespace}/pods"
        return self.cluster.api.get(path, params={"labelSelector": selector}).raise_for_status().json()["items"]

    def settled(self) -> bool:
        """Whether the cluster's scheduler has looked at every pod that no gate holds."""
        return all(map(_looked_at, self.pods()))

    def events(self) -> list[dict[str, Any]]:
        """Every change of every pod since the story began."""
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
def told(cluster: Cluster, phase: str) -> Iterator[Story]:
    """Up to the given phase of the lease; what was made is taken away after it."""
    tag = uuid.uuid4().hex[:6]
    with ExitStack() as stack:
        own, wide, busy, idle = _nodes(cluster, tag, stack)
        lease = Lease(id=f"lea_{tag}own", company=f"acme-{tag}", nodes={own: 4, wide: 16})
        theirs = Lease(id=f"lea_{tag}theirs", company=f"rival-{tag}", nodes={own: 4, busy: 8})
        ledger = Ledger(frozenset({own, wide, busy, idle}), [lease, theirs])
        reconciler = StandIn(stack.enter_context(chart.account(cluster, kube.RECONCILER_ACCOUNT)), ledger)
        operator = stack.enter_context(chart.break_glass(cluster))
        for company in (lease.company, theirs.company):
            reconciler.company(company, quota=QUOTA)
            stack.callback(_removed, operator, company)
        story = Story(
            cluster=cluster,
            ledger=ledger,
            reconciler=reconciler,
            lease=lease,
            theirs=theirs,
            people={},
            operator=operator,
            words={**_words(cluster, operator, tag, stack), "idle_node": idle, "node": wide, "their_node": busy},
            began="",
        )
        _cast(story, stack)
        _up_to(phase, story, stack)
        story.began = cluster.get("/api/v1/pods")["metadata"]["resourceVersion"]
        yield story


def _cast(story: Story, stack: ExitStack) -> None:
    """The neighbour at work, a pod of tomorrow's lease at the gate, and the people."""
    lease, theirs = story.lease, story.theirs
    story.words |= {
        "ns": lease.namespace,
        "company": lease.company,
        "their_ns": theirs.namespace,
        "lease": lease.id,
        "their_lease": theirs.id,
        "account": kube.lease_account(lease.id),
        "their_pod": "theirs-0",
        "waiting": "waiting",
        "running": "running",
    }
    story.words["plain_pod"] = objects.build({"cpu": {}}, {**story.words, "name": "elsewhere"})
    api = stack.enter_context(chart.account(story.cluster, kube.API_ACCOUNT))
    theirs.held = True
    story.reconciler.start(theirs)
    with _holder(story, api, theirs.namespace, kube.COMPANY_KEY) as neighbour:
        for number, gpus in enumerate((4, 8)):
            _make(neighbour, story, f"theirs-{number}", theirs, gpus=gpus)
    story.people["company"] = stack.enter_context(_holder(story, api, lease.namespace, kube.COMPANY_KEY))
    story.people["ruler"] = stack.enter_context(story.cluster.http(f"{RULER}-{lease.company}", []))
    _enthrone(story)
    _volume(story, stack)
    tomorrow = Lease(id="lea_tomorrow", company=lease.company, nodes={})
    _make(story.people["company"], story, "waiting", tomorrow)
    with story.reconciler.turning():
        until(lambda: _runs(story, theirs, "theirs-0") and _runs(story, theirs, "theirs-1"), "the neighbour's pods")
    story.people["api"] = api


def _up_to(phase: str, story: Story, stack: ExitStack) -> None:
    api, lease = story.people.pop("api"), story.lease
    if phase == "before":
        return
    lease.held = True
    story.reconciler.start(lease)
    story.people["lease"] = stack.enter_context(_holder(story, api, lease.namespace, kube.lease_account(lease.id)))
    _make(story.people["company"], story, "running", lease, volumes=[{"name": "scratch", "emptyDir": {}}])
    with story.reconciler.turning():
        until(lambda: _runs(story, lease, "running"), "the company's pod")
    if phase == "after":
        lease.held = False
        story.reconciler.end(lease)
        until(lambda: not story.pods(**{kube.PLACEMENT_LABEL: lease.id}), "the pods of the lease to be gone")
    if phase == "during":
        stack.enter_context(story.reconciler.turning())


@contextmanager
def _holder(story: Story, api: httpx.Client, namespace: str, account: str) -> Iterator[httpx.Client]:
    """Somebody with a key, minted as Dure's API mints it."""
    with story.cluster.http(token=chart.token(api, namespace, account)) as client:
        yield client


def _enthrone(story: Story) -> None:
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": RULER},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": f"{RULER}-{story.lease.company}"}],
    }
    path = f"/apis/{rbac}/v1/namespaces/{story.lease.namespace}/rolebindings"
    story.operator.post(path, json=binding).raise_for_status()


def _volume(story: Story, stack: ExitStack) -> None:
    """What a claim called like its volume is bound to; there is no provisioner here."""
    name, path = f"{story.lease.company}-data", "/api/v1/persistentvolumes"
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "hostPath": {"path": "/none"},
        "claimRef": {"namespace": story.lease.namespace, "name": "data"},
    }
    story.operator.post(path, json={"metadata": {"name": name}, "spec": spec}).raise_for_status()
    stack.callback(story.operator.delete, f"{path}/{name}")


def _make(client: httpx.Client, story: Story, name: str, lease: Lease, *, gpus: int = 1, volumes: Any = ()) -> None:
    said = {
        "pod": {"spec": {"volumes": list(volumes)}},
        "container": {"resources": {"limits": {kube.DEFAULT_RESOURCE: gpus}}},
    }
    pod = objects.build(said, {**story.words, "lease": lease.id, "name": name})
    client.post(f"/api/v1/namespaces/{lease.namespace}/pods", json=pod).raise_for_status()


def _runs(story: Story, lease: Lease, name: str) -> bool:
    return story.cluster.get(f"/api/v1/namespaces/{lease.namespace}/pods/{name}")["status"].get("phase") == "Running"


def _looked_at(pod: dict[str, Any]) -> bool:
    spec, conditions = pod["spec"], pod["status"].get("conditions", [])
    done = spec.get("schedulingGates") or spec.get("nodeName") or "deletionTimestamp" in pod["metadata"]
    return bool(done) or any(c["type"] == "PodScheduled" and c.get("reason") == "Unschedulable" for c in conditions)


def _nodes(cluster: Cluster, tag: str, stack: ExitStack) -> list[str]:
    sizes = {f"own-{tag}": 8, f"wide-{tag}": 16, f"busy-{tag}": 8, f"idle-{tag}": 8}
    stack.callback(nodes.remove, cluster, list(sizes))
    return nodes.add(cluster, [nodes.node(name, gpus=gpus, pool="test") for name, gpus in sizes.items()])


def _words(cluster: Cluster, operator: httpx.Client, tag: str, stack: ExitStack) -> dict[str, Any]:
    """Things of the operator's that a tenant might want to use."""
    made = {
        "/apis/node.k8s.io/v1/runtimeclasses": {
            "handler": "runc",
            "scheduling": {"tolerations": [{"key": kube.TAINT_KEY, "operator": "Exists"}]},
        },
        "/apis/scheduling.k8s.io/v1/priorityclasses": {"value": 1_000_000},
        "/apis/resource.k8s.io/v1/deviceclasses": {"spec": {"extendedResourceName": f"example.org/gpu-{tag}"}},
    }
    for path, body in made.items():
        operator.post(path, json={"metadata": {"name": f"test-{tag}"}, **body}).raise_for_status()
        stack.callback(operator.delete, f"{path}/test-{tag}")
    return {
        "runtime_class": f"test-{tag}",
        "priority_class": f"test-{tag}",
        "device_class": f"test-{tag}",
        "device_class_resource": f"deviceclass.resource.kubernetes.io/test-{tag}",
        "many_containers": [{"name": f"c{number}", "image": "busybox"} for number in range(40)],
        "many_variables": [{"name": f"V{number}", "value": "x"} for number in range(600)],
    }


def _removed(operator: httpx.Client, company: str) -> None:
    """The namespace with all that is in it, as soon as the cluster's controllers come to it."""
    operator.delete(f"/api/v1/namespaces/{kube.namespace(company)}").raise_for_status()
