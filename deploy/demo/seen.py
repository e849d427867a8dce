"""What was seen of the leases' pods: the story of it, and at the end what is wrong and what was only late. Pure.

Wrong is what may never happen, however slow everything is: a pod that runs outside of its lease. Late is what Dure alone
does not have in its hand: when a pod that was let in runs, and when one that was told to end is gone.
"""

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

RELEASED = "released"
"""The cause of an end that nobody knew of before it, so that no pod was told before it either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A pod that was seen running: on what, from when by its own record, until when at the least, and until when with nobody
    having ended it (None: it was being ended at its first look).
    """

    name: str
    lease: str | None
    node: str
    made: datetime
    began: datetime
    last: datetime
    last_unended: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Sentences, but for `starts_s`: how long after its lease's start, or its own making where that was later, each pod
    began to run, in whole seconds as Kubernetes writes them.
    """

    wrong: list[str] = field(default_factory=list[str])
    unseen: list[str] = field(default_factory=list[str])
    """Leases long enough for it of which no pod was seen running."""
    lingered: list[str] = field(default_factory=list[str])
    """Pods that were told to end in time, and were shown long after it."""
    starts_s: list[int] = field(default_factory=list[int])


@dataclass
class Seen:
    """All looks so far."""

    ran: dict[str, Ran] = field(default_factory=dict[str, Ran])
    """By the pod's uid."""
    waited: set[str] = field(default_factory=set[str])
    gated: set[str] = field(default_factory=set[str])
    """The leases of which a pod was seen at the gate."""
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
        self.gated |= {lease for pod in waiting.values() if (lease := _lease(pod))}
        self.runs = running
        for uid, pod in running.items():
            before = self.ran.get(uid)
            self.ran[uid] = _ran(pod, asked_at, before.last_unended if before else None)
        return said

    def judged(self, leases: Mapping[str, wire.Lease]) -> Judged:
        """Of all looks, beside the leases as they ended."""
        found = [(pod, leases.get(pod.lease or "")) for pod in self.ran.values()]
        wrong = [sentence for pod, lease in found for sentence in _outside(pod, lease)]
        if self.runs:
            wrong.append(f"{_pods(len(self.runs))} still {'runs' if len(self.runs) == 1 else 'run'}")
        return Judged(
            wrong=wrong,
            unseen=self._unseen(leases.values()),
            lingered=[sentence for pod, lease in found if lease is not None for sentence in _lingered(pod, lease)],
            starts_s=[_after(pod, lease.started_at) for pod, lease in found if lease and lease.started_at],
        )

    def _unseen(self, leases: Iterable[wire.Lease]) -> list[str]:
        """Leases whose pods did not run, each a sentence."""
        with_pods = {pod.lease for pod in self.ran.values()}
        return [
            f"{lease.id} ran for {_ran_for(lease).total_seconds():.0f} s and no pod of it was seen running"
            f"{', but waiting at the gate' if lease.id in self.gated else ', nor waiting'}"
            for lease in leases
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
        made=datetime.fromisoformat(pod["metadata"]["creationTimestamp"]),
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
    if lease.end_cause != RELEASED and _ran_on(pod, lease):
        found.append(f"pod {pod.name} ran after {lease.id} ended")
    if pod.node not in {gpu.node for gpu in lease.gpus}:
        found.append(f"pod {pod.name} ran on {pod.node}, where {lease.id} has no GPU")
    return found


def _ran_on(pod: Ran, lease: wire.Lease) -> bool:
    """Whether it ran after the end without having been told."""
    return lease.stops_at is not None and pod.last_unended is not None and pod.last_unended > lease.stops_at + APART


def _lingered(pod: Ran, lease: wire.Lease) -> list[str]:
    """That it was not gone, though it was told to end in time, or at once where the end was not known before."""
    if lease.stops_at is None:
        return []
    after_s = (pod.last - lease.stops_at).total_seconds()
    if pod.last > lease.stops_at + GONE and (lease.end_cause == RELEASED or not _ran_on(pod, lease)):
        return [f"pod {pod.name} was not gone {after_s:.0f} s after {lease.id} ended"]
    return []


def _after(pod: Ran, started_at: datetime) -> int:
    return max(0, int((pod.began - max(started_at, pod.made)).total_seconds()))


def _ran_for(lease: wire.Lease) -> timedelta:
    if lease.started_at is None or lease.stops_at is None:
        return timedelta(0)
    return lease.stops_at - lease.started_at
