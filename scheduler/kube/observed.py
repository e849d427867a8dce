"""What a cluster holds: pods, nodes and namespaces as the decisions see them, parsed from the API server's JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from dure import kube
from dure.kube_objects import whole
from scheduler.kube import instants

Json = Mapping[str, Any]
Amounts = tuple[tuple[str, int], ...]
"""How many of what, by name."""

Begun = Mapping[str, tuple[str, str]]
"""Pods whose gate is being opened, by uid: for which lease and on which node. Whether it is open already nobody knows."""

OVER = frozenset({"Succeeded", "Failed"})
HOSTNAME = "kubernetes.io/hostname"
CORDONED = "node.kubernetes.io/unschedulable"
KEEPS_OFF = ("NoSchedule", "NoExecute")
"""Effects of taints that keep new pods off a node."""

_NATIVE = ("kubernetes.io/", "k8s.io/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod in a company's namespace. Instants are Unix seconds."""

    uid: str
    namespace: str
    name: str
    version: str
    phase: str
    gpus: Amounts = ()
    """What it asks for at most at a time, of every device that nodes are asked for."""
    gates: tuple[str, ...] = ()
    wish: str | None = None
    """The lease that it is meant for, by id or name."""
    placed: str | None = None
    """The lease that its gate was opened for."""
    node: str | None = None
    hostname: str | None = None
    """The node that its selector says, by hostname: ours once its gate was opened, else its maker's."""
    selects: bool = False
    """Whether it has a node selector at all."""
    tolerates: bool = False
    """Whether it has tolerations at all."""
    has_labels: bool = True
    has_annotations: bool = True
    ends_at: str | None = None
    """The end that was written on it."""
    warned: str | None = None
    created_at: float = 0
    started_at: float | None = None
    """When its kubelet began with it; its deadline counts from then."""
    deadline_s: int | None = None
    grace_s: int = 30
    deleted_at: float | None = None
    """When its grace is over, once it is being deleted."""
    deletion_grace_s: int | None = None
    finalizers: tuple[str, ...] = ()
    over_at: float | None = None
    """When the last of its containers was over, as its kubelet says."""
    exit_code: int | None = None
    reason: str | None = None
    message: str | None = None
    containers: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        return self.phase in OVER

    @property
    def is_gated(self) -> bool:
        return kube.GATE in self.gates

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    def of(self, resource: str) -> int:
        """How many of the resource it asks for."""
        return dict(self.gpus).get(resource, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node; `hostname` is what its label says, which selectors go by."""

    name: str
    hostname: str
    ready: bool
    pool: str | None = None
    devices: Amounts = ()
    taints: tuple[str, ...] = ()
    """Keys of those that keep off whatever does not tolerate them."""

    @property
    def takes(self) -> bool:
        """Whether new pods are scheduled on it: it is ready and not cordoned."""
        return self.ready and CORDONED not in self.taints

    def has(self, resource: str) -> int:
        """How many of the resource it can give to pods."""
        return dict(self.devices).get(resource, 0)


class Lines(Enum):
    """How far the last lines of a container are read, where they are at all."""

    FOLLOWED = "followed"
    """They are being followed."""
    READ = "read"
    """They were, and are read once more when its pod is over."""
    KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What there is of one company: its namespace, what of ours is in it by path, and its pods."""

    namespace: Json | None = None
    objects: Mapping[str, Json] = field(default_factory=dict[str, Json])
    pods: tuple[Pod, ...] = ()
    lines: Mapping[tuple[str, str], Lines] = field(default_factory=dict[tuple[str, str], Lines])
    """Last lines of containers, by their pod's uid and their name."""
    begun: Begun = field(default_factory=dict[str, tuple[str, str]])


def seconds(said: str | None) -> float | None:
    """Unix seconds of a time as the API server writes it."""
    return None if said is None else instants.read(said)


def pod(found: Json, others: frozenset[str] = frozenset()) -> Pod:
    """Of the API server's JSON; what it asks for of `others` needs no lease."""
    meta, spec, status = found["metadata"], found.get("spec", {}), found.get("status", {})
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    code, reason, message = _ended(status)
    return Pod(
        uid=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        version=meta["resourceVersion"],
        phase=status.get("phase", "Pending"),
        gpus=tuple(one for one in devices(spec) if one[0] not in others),
        gates=tuple(gate["name"] for gate in spec.get("schedulingGates") or ()),
        wish=labels.get(kube.LEASE_LABEL),
        placed=labels.get(kube.PLACEMENT_LABEL),
        node=spec.get("nodeName") or None,
        hostname=(spec.get("nodeSelector") or {}).get(HOSTNAME),
        selects=bool(spec.get("nodeSelector")),
        tolerates=bool(spec.get("tolerations")),
        has_labels=bool(labels),
        has_annotations=bool(annotations),
        ends_at=annotations.get(kube.ENDS_AT),
        warned=annotations.get(kube.ENDING),
        created_at=seconds(meta.get("creationTimestamp")) or 0,
        started_at=seconds(status.get("startTime")),
        deadline_s=spec.get("activeDeadlineSeconds"),
        grace_s=int(spec.get("terminationGracePeriodSeconds", 30)),
        deleted_at=seconds(meta.get("deletionTimestamp")),
        deletion_grace_s=meta.get("deletionGracePeriodSeconds"),
        finalizers=tuple(meta.get("finalizers") or ()),
        over_at=_over_at(status),
        exit_code=code,
        reason=reason,
        message=message,
        containers=tuple(one["name"] for one in spec.get("containers") or ()),
    )


def node(found: Json) -> Node:
    """Of the API server's JSON."""
    meta, status = found["metadata"], found.get("status", {})
    labels = meta.get("labels") or {}
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or ())
    allocatable = status.get("allocatable") or {}
    return Node(
        name=meta["name"],
        hostname=labels.get(HOSTNAME, meta["name"]),
        ready=ready,
        pool=labels.get(kube.POOL_LABEL),
        devices=tuple(sorted((name, whole(value)) for name, value in allocatable.items() if is_device(name))),
        taints=tuple(
            sorted({one["key"] for one in found.get("spec", {}).get("taints") or () if one["effect"] in KEEPS_OFF})
        ),
    )


def is_device(name: str) -> bool:
    """Whether a resource's name is that of a device, and none of Kubernetes' own."""
    return "/" in name and not name.startswith(_NATIVE)


def devices(spec: Json) -> Amounts:
    """What a pod holds at most at a time: its containers and sidecars together, or an init container beside the sidecars that
    began before it. As the scheduler counts it:
    https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
    """
    always: dict[str, int] = {}
    most: dict[str, int] = {}
    for one in spec.get("initContainers") or ():
        wanted = _wanted(one)
        if one.get("restartPolicy") == "Always":
            always = _sum(always, wanted)
            most = _largest(most, always)
        else:
            most = _largest(most, _sum(always, wanted))
    for one in spec.get("containers") or ():
        always = _sum(always, _wanted(one))
    return tuple(sorted((name, count) for name, count in _largest(most, always).items() if count))


def _wanted(container: Json) -> dict[str, int]:
    said = container.get("resources") or {}
    both = {**(said.get("requests") or {}), **(said.get("limits") or {})}
    return {name: whole(value) for name, value in both.items() if is_device(name)}


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _largest(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}


def _terminated(status: Json) -> Iterator[Json]:
    """What the kubelet says of each container that is over."""
    for one in status.get("containerStatuses") or ():
        over = (one.get("state") or {}).get("terminated")
        if over is not None:
            yield over


def _over_at(status: Json) -> float | None:
    finished = (seconds(one.get("finishedAt")) for one in _terminated(status))
    return max((at for at in finished if at is not None), default=None)


def _ended(status: Json) -> tuple[int | None, str | None, str | None]:
    """The first bad exit code of its containers, else the first; and what the kubelet says of the pod."""
    codes = [int(one.get("exitCode", 0)) for one in _terminated(status)]
    code = next((one for one in codes if one), codes[0] if codes else None)
    return code, status.get("reason"), status.get("message")
