"""A small cluster: pods as an API server has them, a scheduler and kubelets. Time is told to it.

It knows what a real one does with what the reconciler asks: JSON patches fit or not, a deadline is never raised, a second
DELETE only shortens a grace and then counts from the first, finalizers hold an object, a kubelet that is gone does nothing.
"""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from scheduler.kube.actions import Json
from scheduler.kube.observed import HOSTNAME, Node, devices, seconds
from tests.unit.scheduler.kube.builders import GATE, GPU, patched

GPUS = 8
NAMESPACE = "dure-co-acme"


@dataclass(kw_only=True)
class Program:
    """What runs in a pod: one that hangs ends only when it is killed; `again` is how often a controller makes it anew."""

    hangs: bool = False
    again: int = 0


@dataclass(kw_only=True)
class Cluster:
    now: float
    nodes: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(("n0", "n1", "n2"), True))
    """Whether they are ready, by name."""
    pods: dict[str, Json] = field(default_factory=dict[str, Json])
    programs: dict[str, Program] = field(default_factory=dict[str, Program])
    _kills: dict[str, tuple[int | None, float]] = field(default_factory=dict[str, tuple[int | None, float]])
    """By uid: the grace with which its kubelet began to end it, and when it kills; it hears of no other."""
    _number: int = 0

    def known_nodes(self) -> dict[str, Node]:
        devices = ((GPU, GPUS),)
        return {
            name: Node(name=name, hostname=name, ready=ready, devices=devices) for name, ready in self.nodes.items()
        }

    # What companies do.

    def create(self, gpus: int, program: Program, *, meta: Json | None = None, gated: bool = True, **spec: Any) -> str:
        self._number += 1
        name = f"p{self._number * 37 % 100:02}-{self._number}"  # in no order: pods of one second sort anyhow
        amounts = {GPU: str(gpus)} if gpus else {}
        self.pods[name] = {
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "uid": f"uid-{name}",
                "resourceVersion": str(self._number),
                "creationTimestamp": stamp(self.now),
                **(meta or {}),
            },
            "spec": {
                "containers": [{"name": "main", "resources": {"limits": amounts, "requests": amounts}}],
                "terminationGracePeriodSeconds": 30,
                **({"schedulingGates": [{"name": GATE}]} if gated and gpus else {}),
                **spec,
            },
            "status": {"phase": "Pending"},
        }
        self.programs[name] = program
        return name

    def finish(self, name: str) -> None:
        if self.pods[name]["status"]["phase"] == "Running":
            self._change(name, "status", phase="Succeeded")

    # What the API server does.

    def patch(self, path: str, operations: tuple[Json, ...]) -> None:
        """Raises Unprocessable; a patch that is against its rules is a failed test."""
        name = path.rpartition("/")[2]
        if name not in self.pods:
            return
        before = self.pods[name]
        after = patched(before, operations)
        _check_allowed(before, after)
        self.pods[name] = after
        self._touch(name)
        self._sweep(name)

    def delete(self, name: str, grace_s: int, uid: str | None = None) -> None:
        if name not in self.pods or (uid is not None and self.pods[name]["metadata"]["uid"] != uid):
            return
        pod = self.pods[name]
        meta = pod["metadata"]
        if not pod["spec"].get("nodeName") or is_over(pod):
            grace_s = 0
        before = meta.get("deletionGracePeriodSeconds")
        if before is None:
            meta["deletionTimestamp"] = stamp(self.now + grace_s)
        elif grace_s < before:
            meta["deletionTimestamp"] = stamp(_at(meta["deletionTimestamp"]) - before + grace_s)
        else:
            return
        meta["deletionGracePeriodSeconds"] = grace_s
        self._touch(name)
        self._sweep(name)

    # What the scheduler, the kubelets and the controllers do.

    def work(self) -> None:
        for name in list(self.pods):
            self._bind(name)
            if name in self.pods and self.nodes.get(self.pods[name]["spec"].get("nodeName", "")) is not None:
                self._run(name)
        for name in [one for one, found in self.programs.items() if found.again and self._is_lost(one)]:
            program = self.programs.pop(name)
            self.create(1, Program(hangs=program.hangs, again=program.again - 1))

    def next_at(self) -> float | None:
        """When a kubelet does something by time alone."""
        return min((at for at in self._instants() if at > self.now), default=None)

    def _instants(self):
        for pod in self.pods.values():
            if pod["spec"].get("nodeName") not in self.nodes or is_over(pod):
                continue
            yield self._kills.get(pod["metadata"]["uid"], (None, math.inf))[1]
            if deadline := pod["spec"].get("activeDeadlineSeconds"):
                yield _at(pod["status"]["startTime"]) + deadline

    def _bind(self, name: str) -> None:
        pod = self.pods[name]
        spec = pod["spec"]
        wanted = (spec.get("nodeSelector") or {}).get(HOSTNAME, "")
        is_late = spec.get("nodeName") or spec.get("schedulingGates") or pod["metadata"].get("deletionTimestamp")
        if is_late or not self.nodes.get(wanted) or not spec.get("tolerations"):
            return
        if self.used(wanted) + gpus_of(pod) <= GPUS:
            self._change(name, "spec", nodeName=wanted)

    def used(self, node: str) -> int:
        """GPUs that pods have on a node, whoever's."""
        there = (one for one in self.pods.values() if one["spec"].get("nodeName") == node and not is_over(one))
        return sum(gpus_of(one) for one in there)

    def _run(self, name: str) -> None:
        pod = self.pods[name]
        meta, spec, status = pod["metadata"], pod["spec"], pod["status"]
        if "startTime" not in status:
            self._change(name, "status", startTime=stamp(self.now), phase="Running")
        grace, at = self._kills.get(meta["uid"], (None, math.inf))
        deadline = _at(status["startTime"]) + spec.get("activeDeadlineSeconds", math.inf)
        hangs = self.programs[name].hangs if name in self.programs else True
        if self.now >= deadline:
            at = min(at, deadline + spec["terminationGracePeriodSeconds"] if hangs else self.now)
        told = meta.get("deletionGracePeriodSeconds")
        if told is not None and grace is None:
            at, grace = min(at, self.now + (told if hangs else 0)), told
        self._kills[meta["uid"]] = (grace, at)
        if self.now >= at and not is_over(pod):
            self._change(name, "status", phase="Failed")
        if is_over(pod) and "deletionTimestamp" in meta:
            self.delete(name, 0)

    def _is_lost(self, name: str) -> bool:
        return name not in self.pods or is_over(self.pods[name])

    def _change(self, name: str, part: str, **said: Any) -> None:
        self.pods[name][part].update(said)
        self._touch(name)

    def _touch(self, name: str) -> None:
        self._number += 1
        self.pods[name]["metadata"]["resourceVersion"] = str(self._number)

    def _sweep(self, name: str) -> None:
        meta = self.pods[name]["metadata"]
        if meta.get("deletionGracePeriodSeconds") == 0 and not meta.get("finalizers"):
            del self.pods[name]


def _check_allowed(before: Json, after: Json) -> None:
    was, now = before["spec"], after["spec"]
    gates = [one["name"] for one in was.get("schedulingGates") or ()]
    assert [one["name"] for one in now.get("schedulingGates") or ()] in (gates, [one for one in gates if one != GATE])
    assert gates or was.get("nodeSelector") == now.get("nodeSelector"), "a selector of a pod past the gate stays"
    if "activeDeadlineSeconds" in was:
        assert now["activeDeadlineSeconds"] <= was["activeDeadlineSeconds"], "a deadline was raised"
    same = ("name", "namespace", "uid", "deletionTimestamp")
    assert {key: before["metadata"].get(key) for key in same} == {key: after["metadata"].get(key) for key in same}
    assert was["containers"] == now["containers"]


def is_over(pod: Json) -> bool:
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def is_deleted(pod: Json) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def is_gated(pod: Json) -> bool:
    return {"name": GATE} in (pod["spec"].get("schedulingGates") or [])


def gpus_of(pod: Json) -> int:
    return dict(devices(pod["spec"])).get(GPU, 0)


def _at(said: str) -> float:
    found = seconds(said)
    assert found is not None
    return found


def stamp(at: float) -> str:
    return datetime.fromtimestamp(math.floor(at), UTC).isoformat().replace("+00:00", "Z")
