"""Which gated pod is let in to which lease, and on which node; or why it waits (DESIGN section 5.5).

The lease that the pod names, else the only one of its company that it fits; where two would do it waits, and is told
which label to set. A pod goes to the node that leaves least beside it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dure import kube
from scheduler.kube.desired import LeaseNow, Terms
from scheduler.kube.instants import written
from scheduler.kube.observed import Begun, Node, Pod


class Code(StrEnum):
    """Why a pod waits at the gate; permanent."""

    NO_LEASE = "no_lease"
    NOT_STARTED = "not_started"
    UNKNOWN_LEASE = "unknown_lease"
    WHICH_LEASE = "which_lease"
    FULL = "full"
    NEVER_FITS = "never_fits"
    WAITS_FOR_ALL = "waits_for_all"
    GRACE_TOO_LONG = "grace_too_long"
    ENDING = "ending"
    PINNED = "pinned"
    MIXED = "mixed"
    OTHER_RESOURCE = "other_resource"
    NODE_AWAY = "node_away"
    CLUSTER_UNFIT = "cluster_unfit"
    NAMESPACE = "namespace"
    NO_RESOURCE = "no_resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Why a pod waits, in a sentence that says what would let it in."""

    code: Code
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where a pod is let in."""

    lease: LeaseNow
    node: Node


Paired = Mapping[str, Seat | Wait]
"""By the pod's uid."""


def pair(
    pods: Sequence[Pod],
    leases: Sequence[LeaseNow],
    nodes: Mapping[str, Node],
    terms: Terms,
    now: float,
    begun: Begun | None = None,
) -> Paired:
    """Every gated pod of one company, oldest first. One whose gate is being opened keeps its seat, whoever came since."""
    begun = begun or {}
    rooms = _rooms(pods, leases, nodes, begun)
    found: dict[str, Seat | Wait] = {}
    waiting = _in_order(pods, leases)
    for pod in waiting:
        seat = _again(pod, begun, leases, nodes, rooms, now)
        lease = _lease(pod, leases, rooms, terms, now) if seat is None else seat.lease
        found[pod.uid] = seat or (lease if isinstance(lease, Wait) else _seat(pod, lease, nodes, rooms))
    return _together(pods, leases, found, rooms)


def sits(pod: Pod, nodes: Iterable[Node]) -> str | None:
    """The name of the node that an opened pod is on, or is to be scheduled on."""
    if pod.node is not None:
        return pod.node
    return next((one.name for one in nodes if one.hostname == pod.hostname), pod.hostname)


def _in_order(pods: Sequence[Pod], leases: Sequence[LeaseNow]) -> list[Pod]:
    """Oldest first; of those that start together the largest, as the small ones find room beside them."""
    gangs = {name for lease in leases if lease.all_at_once for name in (lease.id, lease.name) if name is not None}

    def order(pod: Pod) -> tuple[bool, int, float, str, str]:
        largest = -max(count for _, count in pod.gpus) if pod.wish in gangs else 0
        return pod.wish not in gangs, largest, pod.created_at, pod.name, pod.uid

    return sorted(filter(_waits, pods), key=order)


def _waits(pod: Pod) -> bool:
    return pod.is_gated and not pod.is_over and pod.deleted_at is None and bool(pod.gpus)


Rooms = dict[str, dict[str, int]]
"""GPUs that nobody's pod has, by lease and node."""


def _rooms(pods: Sequence[Pod], leases: Sequence[LeaseNow], nodes: Mapping[str, Node], begun: Begun) -> Rooms:
    rooms = {lease.id: dict(lease.placement) for lease in leases if lease.holds}
    resources = {lease.id: lease.resource for lease in leases}
    for pod in pods:
        lease, node = _place(pod, nodes, begun)
        if lease in rooms and node in rooms[lease] and not pod.is_over:
            rooms[lease][node] -= pod.of(resources[lease])
    return rooms


def _place(pod: Pod, nodes: Mapping[str, Node], begun: Begun) -> tuple[str | None, str | None]:
    """The lease and the node that it has GPUs of, or may have by now."""
    return begun.get(pod.uid, (None, None)) if pod.is_gated else (pod.placed, sits(pod, nodes.values()))


def _again(
    pod: Pod, begun: Begun, leases: Sequence[LeaseNow], nodes: Mapping[str, Node], rooms: Rooms, now: float
) -> Seat | None:
    """The seat that was given to it, where that is still good. What it has of `rooms` is taken off already."""
    name, place = begun.get(pod.uid, ("", ""))
    lease = next((one for one in leases if one.id == name and one.holds and now < one.ending_at), None)
    if lease is None or rooms[name].get(place, -1) < 0 or place not in nodes or not nodes[place].ready:
        return None
    return Seat(lease=lease, node=nodes[place])


def _lease(pod: Pod, leases: Sequence[LeaseNow], rooms: Rooms, terms: Terms, now: float) -> LeaseNow | Wait:
    if len(pod.gpus) > 1:
        names = " and ".join(name for name, _ in pod.gpus)
        return Wait(code=Code.MIXED, detail=f"it asks for {names}; a lease is of one of them, so a pod asks for one")
    if pod.hostname is not None:
        return Wait(
            code=Code.PINNED, detail="it names a node in its nodeSelector; leave that out: the lease says where"
        )
    found = _named(pod, leases, terms, now) if pod.wish is not None else _only(pod, leases, rooms, terms, now)
    return found if isinstance(found, Wait) else _open(pod, found, terms, now)


def _named(pod: Pod, leases: Sequence[LeaseNow], terms: Terms, now: float) -> LeaseNow | Wait:
    called = [one for one in leases if pod.wish in (one.id, one.name)]
    if not called:
        return Wait(
            code=Code.UNKNOWN_LEASE,
            detail=f"no lease of yours that is scheduled or runs is called {pod.wish}; `dure lease list` shows those there are",
        )
    held = _letting_in(pod, called, terms, now)
    if len(held) > 1:
        return _which(held)
    return _of_its_kind(pod, held[0]) if held else _not_started(called, now)


def _of_its_kind(pod: Pod, lease: LeaseNow) -> LeaseNow | Wait:
    if pod.of(lease.resource):
        return lease
    return Wait(
        code=Code.OTHER_RESOURCE,
        detail=f"lease {lease.id} is of {lease.resource}, and the pod asks for {pod.gpus[0][0]}; ask for what the lease has",
    )


def _only(pod: Pod, leases: Sequence[LeaseNow], rooms: Rooms, terms: Terms, now: float) -> LeaseNow | Wait:
    kind = [one for one in leases if pod.of(one.resource)]
    held = _letting_in(pod, kind, terms, now)
    if not kind:
        resource, count = pod.gpus[0]
        return Wait(
            code=Code.NO_LEASE,
            detail=f"you have no lease of {resource} that is scheduled or runs; `dure ask` for {count} and it starts by itself",
        )
    if not held:
        return _not_started(kind, now)
    fit = [one for one in held if any(room >= pod.of(one.resource) for room in rooms[one.id].values())]
    if len(fit) > 1:
        return _which(fit)
    return fit[0] if fit else _full(pod, held)


def _letting_in(pod: Pod, leases: Sequence[LeaseNow], terms: Terms, now: float) -> list[LeaseNow]:
    """Those that hold GPUs; one that is ending does not stand in the way of the next."""
    held = [one for one in leases if one.holds]
    return [one for one in held if now < latest(pod, one, terms)] or held


def latest(pod: Pod, lease: LeaseNow, terms: Terms) -> int:
    """Until when it is let in: its kubelet would give it its own grace after a deadline that has passed already."""
    return min(lease.ending_at, terms.cut_at(lease) - pod.grace_s)


def _which(leases: Sequence[LeaseNow]) -> Wait:
    names = ", ".join(sorted(one.id if one.name is None else f"{one.id} ({one.name})" for one in leases))
    return Wait(code=Code.WHICH_LEASE, detail=f"it fits leases {names}; say which by the label {kube.LEASE_LABEL}")


def _not_started(leases: Sequence[LeaseNow], now: float) -> Wait:
    first = min(leases, key=lambda one: one.starts_at)
    when = written(first.starts_at)
    said = f"lease {first.id} starts at {when}" if first.starts_at > now else f"lease {first.id} was to start at {when}"
    return Wait(code=Code.NOT_STARTED, detail=f"{said}; it starts by itself then")


def _full(pod: Pod, leases: Sequence[LeaseNow]) -> Wait:
    resource, count = pod.gpus[0]
    most = max(max(one.placement.values(), default=0) for one in leases)
    if most < count:
        whose = (
            f"lease {leases[0].id} has no more than {most}"
            if len(leases) == 1
            else f"no lease of yours has more than {most}"
        )
        detail = f"it asks for {count} {resource} on one node, and {whose} on one; ask for fewer"
        return Wait(code=Code.NEVER_FITS, detail=detail)
    names = ", ".join(sorted(one.id for one in leases))
    return Wait(
        code=Code.FULL, detail=f"{count} {resource} are not free on any node of lease {names}; it starts once they are"
    )


def _open(pod: Pod, lease: LeaseNow, terms: Terms, now: float) -> LeaseNow | Wait:
    """Whether there is time for it."""
    longest = max(kube.LEAST_GRACE_S, lease.grace_s)
    if pod.grace_s > longest:
        detail = (
            f"its terminationGracePeriodSeconds is {pod.grace_s}, longer than the {lease.grace_s} s that lease {lease.id} has "
            f"before its end; set {longest} at most"
        )
        return Wait(code=Code.GRACE_TOO_LONG, detail=detail)
    if now >= latest(pod, lease, terms):
        return Wait(
            code=Code.ENDING, detail=f"lease {lease.id} is ending, and lets nothing in any more; ask for a new one"
        )
    return lease


def _seat(pod: Pod, lease: LeaseNow, nodes: Mapping[str, Node], rooms: Rooms) -> Seat | Wait:
    count = pod.of(lease.resource)
    fit = [node for _, node in sorted((room, node) for node, room in rooms[lease.id].items() if room >= count)]
    ready = [node for node in fit if node in nodes and nodes[node].takes]
    able = [node for node in ready if nodes[node].has(lease.resource) >= count]
    if able:
        rooms[lease.id][able[0]] -= count
        return Seat(lease=lease, node=nodes[able[0]])
    if ready:
        return _lacking(ready, lease, count, nodes)
    if fit:
        return Wait(
            code=Code.NODE_AWAY,
            detail=f"{', '.join(fit)}, where lease {lease.id} is, is not ready in the cluster, or cordoned",
        )
    return _full(pod, [lease])


def _lacking(names: Sequence[str], lease: LeaseNow, count: int, nodes: Mapping[str, Node]) -> Wait:
    """The cluster has less on these nodes than the calendar: a pod that was let in would wait there, and nobody would say why."""
    there = ", ".join(f"{name} has {nodes[name].has(lease.resource)}" for name in names)
    detail = (
        f"{count} {lease.resource} are on no node of lease {lease.id} in the cluster ({there}): a device plugin may not run there; "
        "the programme's operators see to that, and it starts once they are there"
    )
    return Wait(code=Code.NO_RESOURCE, detail=detail)


def _together(
    pods: Sequence[Pod], leases: Sequence[LeaseNow], found: dict[str, Seat | Wait], rooms: Rooms
) -> dict[str, Seat | Wait]:
    """What is all at once waits until nothing of its lease is left over; once it has begun, a pod made again starts by itself.

    What the wait says does not change with each pod that comes: an event of a thousand pods each time would be a million.
    """
    begun = {pod.placed for pod in pods if not pod.is_gated}
    gangs = [one for one in leases if one.holds and one.all_at_once and one.id not in begun]
    short = {one.id for one in gangs if any(room > 0 for room in rooms[one.id].values())}
    return {
        uid: _for_all(seat.lease) if isinstance(seat, Seat) and seat.lease.id in short else seat
        for uid, seat in found.items()
    }


def _for_all(lease: LeaseNow) -> Wait:
    detail = (
        f"not all of the {lease.gpus} GPUs of lease {lease.id} are asked for by pods that fit; it was asked for with "
        "all_at_once, so its pods start together"
    )
    return Wait(code=Code.WAITS_FOR_ALL, detail=detail)
