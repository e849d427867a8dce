"""What was seen of the leases' pods: the story of it, and at the end whether any ran outside of its lease. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dure import kube, wire

APART = timedelta(seconds=1)
"""Kubernetes writes whole seconds, and its clock need not be ours."""

GONE = timedelta(seconds=4)
"""How long after its lease's end a pod that is being ended may still be shown: its node says late what it did, and nobody
is given its GPUs before they are proved empty.
"""

UNSEEN = timedelta(seconds=10)
"""A lease that ran so long and of which no look showed a pod: that is no accident of when was looked."""

NAMED = 2
"""Of so many leases at once each is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A pod that was seen running: on what, from when by its own record, until when at the least, and until when with nobody
    having ended it (None: it was being ended at its first look).
    """

    name: str
    lease: str | None
    node: str
    began: datetime
    last: datetime
    last_unended: datetime | None


@dataclass
class Seen:
    """All looks so far."""

    ran: dict[str, Ran] = field(default_factory=dict[str, Ran])
    """By the pod's uid."""
    waited: set[str] = field(default_factory=set[str])
    runs: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """The pods that ran at the last look."""

    def look(self, pods: Iterable[Mapping[str, Any]], asked_at: datetime) -> list[str]:
        """What is new since the last look, each a sentence. `asked_at` is when `pods` were asked for: they ran then or later."""
        pods = list(pods)
        running = {pod["metadata"]["uid"]: pod for pod in pods if pod["status"].get("phase") == "Running"}
        waiting = {pod["metadata"]["uid"]: pod for pod in pods if pod["spec"].get("schedulingGates")}
        said = [
            *_said([pod for uid, pod in waiting.items() if uid not in self.waited], "waits", "wait", "at the gate"),
            *_said([pod for uid, pod in running.items() if uid not in self.ran], "runs", "run"),
            *_said([pod for uid, pod in self.runs.items() if uid not in running], "ends", "end"),
        ]
        self.waited |= waiting.keys()
        self.runs = running
        for uid, pod in running.items():
            before = self.ran.get(uid)
            self.ran[uid] = _ran(pod, asked_at, before.last_unended if before else None)
        return said

    def wrong(self, leases: Mapping[str, wire.Lease]) -> list[str]:
        """Pods that ran outside of their lease, and leases whose pods did not run; each a sentence."""
        found = [sentence for pod in self.ran.values() for sentence in _outside(pod, leases.get(pod.lease or ""))]
        if self.runs:
            found.append(f"{_pods(len(self.runs))} still {'runs' if len(self.runs) == 1 else 'run'}")
        with_pods = {pod.lease for pod in self.ran.values()}
        return found + [
            f"{lease.id} ran for {_ran_for(lease).total_seconds():.0f} s and no pod of it was seen running"
            for lease in leases.values()
            if lease.id not in with_pods and _ran_for(lease) >= UNSEEN
        ]


def _said(pods: Iterable[Mapping[str, Any]], one: str, several: str, where: str = "") -> list[str]:
    """A sentence a lease, and one for all where there are many. Without a `where` it is where they run."""
    by_lease: dict[str, list[Mapping[str, Any]]] = {}
    for pod in pods:
        by_lease.setdefault(_lease(pod) or "no lease", []).append(pod)
    if len(by_lease) > NAMED:
        by_lease = {f"{len(by_lease)} leases": [pod for those in by_lease.values() for pod in those]}
    return [
        f"  Kubernetes: {_pods(len(those))} of {lease} {one if len(those) == 1 else several} {where or _on(those)}"
        for lease, those in by_lease.items()
    ]


def _on(pods: Iterable[Mapping[str, Any]]) -> str:
    return "on " + ", ".join(sorted({pod["spec"].get("nodeName", "?") for pod in pods}))


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count} pods"


def _lease(pod: Mapping[str, Any]) -> str | None:
    """The lease that it runs on, by the reconciler's word, and while it waits the one that it is meant for."""
    labels = pod["metadata"].get("labels", {})
    wish = labels.get(kube.LEASE_LABEL) if pod["spec"].get("schedulingGates") else None
    return labels.get(kube.PLACEMENT_LABEL, wish)


def _ran(pod: Mapping[str, Any], asked_at: datetime, last_unended: datetime | None) -> Ran:
    return Ran(
        name=f"{pod['metadata']['namespace']}/{pod['metadata']['name']}",
        lease=_lease(pod),
        node=pod["spec"]["nodeName"],
        began=datetime.fromisoformat(pod["status"]["startTime"]),
        last=asked_at,
        last_unended=last_unended if "deletionTimestamp" in pod["metadata"] else asked_at,
    )


def _outside(pod: Ran, lease: wire.Lease | None) -> list[str]:
    if lease is None:
        return [f"pod {pod.name} ran on no lease"]
    found: list[str] = []
    if lease.started_at is None or pod.began < lease.started_at - APART:
        found.append(f"pod {pod.name} ran before {lease.id} started")
    if lease.stops_at is not None and pod.last_unended is not None and pod.last_unended > lease.stops_at + APART:
        found.append(f"pod {pod.name} ran after {lease.id} ended")
    elif lease.stops_at is not None and pod.last > lease.stops_at + GONE:
        found.append(
            f"pod {pod.name} was not gone {(pod.last - lease.stops_at).total_seconds():.0f} s after {lease.id} ended"
        )
    if pod.node not in {gpu.node for gpu in lease.gpus}:
        found.append(f"pod {pod.name} ran on {pod.node}, where {lease.id} has no GPU")
    return found


def _ran_for(lease: wire.Lease) -> timedelta:
    if lease.started_at is None or lease.stops_at is None:
        return timedelta(0)
    return lease.stops_at - lease.started_at
