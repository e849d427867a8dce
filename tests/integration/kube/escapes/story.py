"""A company with a lease, a neighbour with another, and people with their own keys: the scene of every attempt."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from dure import kube, wire
from scheduler.store.db import Database
from tests.cluster.cluster import Cluster
from tests.cluster.kwok import COMPLETES_AFTER
from tests.integration.kube import chart
from tests.integration.kube.escapes import objects, oracle, pods, scenery
from tests.integration.kube.escapes.ledger import Holding, Ledger
from tests.integration.kube.stand import Stand, stand
from tests.integration.kube.tenants import Tenant, tenant

WITHIN_S = 60.0
LOOK_S = 0.2

RULER = "ruler"

NODES, GPUS = 5, 8
OURS, THEIRS = 20, 12
"""GPUs of the two leases: so one node is shared by both, and one is idle."""

BOOKED = 20
"""Leases of all the pool that the company has ahead: so wide a quota that it is the gate and the policies that hold."""

LONG_S = 7200
IN_FRONT_S = 3600
"""Before its lease starts another has all that is free, until it is released."""


@dataclass(slots=True, kw_only=True)
class Story:
    """One phase of the lease, in namespaces and on nodes of its own."""

    stand: Stand
    phase: str
    ledger: Ledger
    tenant: Tenant
    """The company at its own shell; what it does in the cluster it does by the kubeconfig that `dure` gives it."""
    ours: wire.Lease
    """The company's."""
    in_front: wire.Lease | None
    """What keeps it from its start."""
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

    def begin(self) -> None:
        """What is in front of the company's lease ends, and it starts; keys and quotas are those of now."""
        assert self.in_front is not None
        made, theirs = self.stand, self.stand.globex
        gone = _account(made.namespace(theirs), kube.lease_account(self.in_front.id))
        made.release(self.in_front)
        until(lambda: made.lease(self.ours).state == "active", "the lease to start")
        until(lambda: made.has_key(self.words["account"]) and made.get(gone) is None, "the leases' keys")
        until(lambda: made.quota(theirs) == str(made.booked(theirs)), "the quota of what is left")
        self.ledger.leases[0] = _holding(made.lease(self.ours), True)
        self.bounds = oracle.bounds(self.cluster, self.namespaces)

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
def told(
    database: Database, cluster: Cluster, phase: str, *, beside: Callable[[Story], object] = lambda _: None
) -> Iterator[Story]:
    """Up to the given phase of the lease; what was made is taken away after it.

    `beside` is called once the company is at work, before anything ends or stops.
    """
    with ExitStack() as stack:
        made = stack.enter_context(stand(database, cluster, count=NODES, gpus=GPUS, grace_s=30, extension_closes_s=120))
        working = stack.enter_context(ExitStack())
        working.enter_context(made.loop())
        until(lambda: made.has_key() and made.has_key(who=made.globex), "the companies' keys")
        story = _set(made, phase, stack)
        _cast(story, stack)
        if phase != "before":
            _begun(story, stack)
        beside(story)
        if phase == "after":
            _ended(story)
        if phase == "stopped":
            working.close()
        story.bounds = oracle.bounds(cluster, story.namespaces)
        story.began = cluster.get("/api/v1/pods")["metadata"]["resourceVersion"]
        yield story


def _set(made: Stand, phase: str, stack: ExitStack) -> Story:
    """The leases of both, and what lies about."""
    theirs = made.ask(THEIRS, who=made.globex, duration_s=LONG_S)
    in_front = None
    if phase == "before":
        in_front = made.ask(NODES * GPUS - THEIRS, who=made.globex, duration_s=IN_FRONT_S)
    ours = made.ask(OURS, duration_s=LONG_S, notice_s=0)
    ledger = Ledger(frozenset(made.nodes), [_holding(ours, phase != "before"), _holding(theirs, True)])
    operator = stack.enter_context(chart.break_glass(made.cluster))
    home = Path(stack.enter_context(TemporaryDirectory()))
    return Story(
        stand=made,
        phase=phase,
        ledger=ledger,
        tenant=stack.enter_context(tenant(made, home)),
        ours=ours,
        in_front=in_front,
        people={},
        operator=operator,
        words=scenery.words(made, operator, ledger, stack),
        bounds={},
        began="",
    )


def _cast(story: Story, stack: ExitStack) -> None:
    """The neighbour at work, a pod of tomorrow's lease at the gate, and the people."""
    made = story.stand
    tomorrow = [made.ask(NODES * GPUS, duration_s=100, start_in_s=86_400 + number * 200).id for number in range(BOOKED)]
    for who in (made.acme, made.globex):
        until(lambda who=who: made.quota(who) == str(made.booked(who)), "the quota of what is booked")
    with made.tenant(made.globex) as neighbour:
        for number, gpus in enumerate((4, 8)):
            _make(neighbour, story, f"theirs-{number}", story.words["their_lease"], who=made.globex, gpus=gpus)
    story.people["company"] = stack.enter_context(story.tenant.client("--company", made.acme))
    story.people[RULER] = stack.enter_context(story.cluster.http(f"{RULER}-{made.acme}", []))
    scenery.enthrone(made, story.operator, RULER)
    scenery.volume(made, story.operator, stack)
    _make(story.people["company"], story, "waiting", tomorrow[0])
    until(lambda: len(made.running(made.globex)) == 2, "the neighbour's pods")


def _begun(story: Story, stack: ExitStack) -> None:
    """Its key, and a pod that runs on it."""
    made, account = story.stand, story.words["account"]
    until(lambda: made.has_key(account), "the lease's key")
    story.people["lease"] = stack.enter_context(story.tenant.client(story.words["lease"]))
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


def _ended(story: Story) -> None:
    made, gone = story.stand, _account(story.namespace, story.words["account"])
    made.release(story.ours)
    until(lambda: "running" not in made.pods() and made.get(gone) is None, "the lease's pod and key to be gone")
    until(lambda: made.lease(story.ours).state == "ended", "the lease to be over")
    until(lambda: made.quota() == str(made.booked(made.acme) + _left_over(story)), "the quota of what is still booked")
    story.ledger.leases[0].held = False


def _account(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"


def _left_over(story: Story) -> int:
    """GPUs that pods wait for at the gate whose lease is gone by."""
    named = story.pods(**{kube.LEASE_LABEL: story.words["lease"]})
    return sum(pods.gpus(pod) for pod in named if pod["spec"].get("schedulingGates"))


def _holding(lease: wire.Lease, held: bool) -> Holding:
    placement = {share.node: share.gpus for share in lease.placement}
    return Holding(id=lease.id, company=lease.company, nodes=placement, held=held)


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
