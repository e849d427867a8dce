"""The end of pods, at the instants of DESIGN section 5.6: told a grace before their lease's end, without grace a margin
before it, and gone at it. What no lease explains ends at once.

The first DELETE has to say already when the grace is over: a kubelet that has begun to end a pod hears of no shorter one
(https://github.com/kubernetes/kubernetes/issues/83916). The second is for one that has not begun.

A kubelet that nobody tells anything ends them too: once extending has closed they have their deadline.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from dure import kube
from scheduler.kube.actions import Action, Delete, Follow, Json, Keep, Patch, Tell, left_s
from scheduler.kube.desired import LeaseNow, Offender, Terms
from scheduler.kube.nearing import is_near, looks
from scheduler.kube.observed import Lines, Node, Pod, Seen
from scheduler.kube.opening import annotated, deadline, extending_closed, marks
from scheduler.kube.pairing import sits

SOON_S = 1.5
"""A pod whose grace is over by then is left alone: it is going."""

COUNTED_BY = "batch.kubernetes.io/job-tracking"
"""What the Job controller holds a pod by until it has counted it. A Job whose pod went uncounted never knows that it failed, and
makes it again for ever, also for the next lease of that name.
"""

COUNTED_S = 60
"""So long after it was to be gone a pod is left to be counted: whatever is wrong with that controller, or whoever calls theirs so."""

FOLLOWED_S = 2
"""So long before the end of a pod may begin its lines are followed: what it says last is heard, however soon it goes."""

LATE_S = 10
"""So long after the end of a pod its lines are followed at most: its kubelet is late, or hangs."""

NOT_YET_S = 15
"""The deadline of a pod that its kubelet has not begun with may be so much too late before it is written anew."""

SEEN_S = 5
"""By so much may the clocks differ of who saw a pod on a GPU and of who made it."""

MOST_CONTAINERS = 16
"""Of so many containers of a pod lines are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the ends of one company's pods are decided from. `leases` are those that hold GPUs, by id; `offenders` its pods that
    are to end as they are on GPUs that no lease explains.
    """

    leases: Mapping[str, LeaseNow]
    nodes: Mapping[str, Node]
    terms: Terms
    now: float
    offenders: Collection[Offender] = ()


def ends(seen: Seen, context: Context) -> Iterator[Action]:
    """What is due now for every pod that is not at the gate."""
    surplus = _surplus(seen, context)
    for pod in seen.pods:
        offends = _offends(pod, context.offenders)
        if pod.is_gated or not (pod.gpus or pod.placed or offends):
            continue
        lease = _lease(pod, context)
        if lease is None:
            yield from _gone(pod, context, "no lease explains it", at=None)
        elif offends and context.now < lease.ending_at:
            yield from _returned(pod, lease, context, "it is on a GPU that no lease explains")
        elif pod.uid in surplus and context.now < lease.ending_at:
            yield from _returned(pod, lease, context, f"lease {lease.id} gave back what it was on")
        else:
            yield from _of_lease(pod, lease, context)
        yield from _read(pod, seen, context)


def ahead(seen: Seen, context: Context) -> Iterator[Delete]:
    """What will be due within a moment, as the pods are now. It is asked for at its instant if nobody decides otherwise until then."""
    for pod in seen.pods:
        lease = None if pod.is_gated or pod.is_over else _lease(pod, context)
        if lease is None:
            continue
        at = next((at for at in _ends_of(lease, context.terms) if is_near(at, lease, context.now)), None)
        if at is not None:
            then = replace(context, now=at)
            # Whether a node is gone is known at the instant.
            yield from (one for one in _of_lease(pod, lease, then) if isinstance(one, Delete) and one.grace_s)


def latest(seen: Seen, context: Context) -> Iterator[float]:
    """When each pod that still runs past the gate is to be gone. One that no lease explains is by when it was told to."""
    for pod in seen.pods:
        if pod.is_gated or pod.is_over or not (pod.gpus or pod.placed):
            continue
        lease = _lease(pod, context)
        yield lease.stops_at if lease is not None else pod.deleted_at or context.now


def instants(pod: Pod, lease: LeaseNow, terms: Terms) -> Iterator[float]:
    """When something is to be done to a pod of a lease by time alone."""
    yield lease.stops_at - terms.warning_s
    if lease.closes_at is not None:
        yield lease.closes_at
    yield _followed_from(pod, lease, terms)
    for at in _ends_of(lease, terms):
        yield from looks(at, lease)
    yield from frees(pod)


def frees(pod: Pod) -> Iterator[float]:
    """When to look whether something holds a pod that is being deleted."""
    if pod.deleted_at is not None:
        yield pod.deleted_at + SOON_S
        if COUNTED_BY in pod.finalizers:
            yield _counted_at(pod)


def _ends_of(lease: LeaseNow, terms: Terms) -> tuple[int, int, int]:
    """When its pods are told to end, have no grace any more, and are gone."""
    return lease.ending_at, terms.cut_at(lease), lease.stops_at


def _lease(pod: Pod, context: Context) -> LeaseNow | None:
    """The lease that explains that it has GPUs."""
    lease = context.leases.get(pod.placed or "")
    return None if lease is None or not pod.of(lease.resource) or len(pod.gpus) > 1 else lease


def _surplus(seen: Seen, context: Context) -> frozenset[str]:
    """Pods on GPUs that their lease gave back, and the newest on nodes where it has fewer GPUs than its pods hold, or none."""
    left = {(lease.id, node): gpus for lease in context.leases.values() for node, gpus in lease.placement.items()}
    found: set[str] = set()
    for pod in sorted(seen.pods, key=lambda one: (one.created_at, one.uid)):
        lease = None if pod.is_gated or pod.is_over else _lease(pod, context)
        if lease is None:
            continue
        place = (lease.id, str(sits(pod, context.nodes.values())))
        if _has_left(pod, lease, place[1]):
            found.add(pod.uid)
            continue
        room = left.get(place, 0) - pod.of(lease.resource)
        if room < 0:
            found.add(pod.uid)
        else:
            left[place] = room
    return frozenset(found)


def _has_left(pod: Pod, lease: LeaseNow, node: str) -> bool:
    """Not another of its name, which was made since."""
    return any((one.node, one.pod) == (node, pod.name) and pod.created_at <= one.at for one in lease.left)


def _offends(pod: Pod, offenders: Collection[Offender]) -> bool:
    """Whether it is one of them, and not another of its name that was made since. One that is let in onto a lease may be on a GPU
    that its lease is about to get, until that is known.
    """
    return any(
        pod.node == one.node
        and (one.is_known or pod.placed is None)
        and (
            pod.uid == one.uid if one.uid is not None else pod.name == one.pod and pod.created_at <= one.since + SEEN_S
        )
        for one in offenders
    )


def _returned(pod: Pod, lease: LeaseNow, context: Context, why: str) -> Iterator[Action]:
    """What it is on is not its own, or not any more: it has a grace from now."""
    if pod.deleted_at is not None and pod.deleted_at + SOON_S <= context.now:
        yield from _gone(pod, context, why, at=None)
    else:
        yield from _told(pod, min(context.now + lease.grace_s, context.terms.cut_at(lease)), context, why)


def _of_lease(pod: Pod, lease: LeaseNow, context: Context) -> Iterator[Action]:
    now, cut_at = context.now, context.terms.cut_at(lease)
    if now >= lease.stops_at:
        yield from _gone(pod, context, f"lease {lease.id} is over", at=lease.stops_at)
    elif now >= cut_at:
        yield from _hurried(pod, f"lease {lease.id} ends", at=cut_at)
    elif now >= lease.ending_at:
        yield from _told(pod, cut_at, context, f"lease {lease.id} ends", at=lease.ending_at)
    elif pod.deleted_at is None and not pod.is_over:
        yield from _written(pod, lease, context)


def _written(pod: Pod, lease: LeaseNow, context: Context) -> Iterator[Action]:
    """What a pod that runs carries: its end, the warning of it, and its deadline once the end stays."""
    wanted, there = marks(lease, context.terms, context.now), {kube.ENDS_AT: pod.ends_at, kube.ENDING: pod.warned}
    missing = {name: value for name, value in wanted.items() if there[name] != value}
    changes = [*annotated(pod, missing)]
    said = [f"{name.partition('/')[2]} {value}" for name, value in missing.items()]
    if (seconds := _deadline(pod, lease, context)) is not None:
        said.append(f"deadline {seconds}")
        changes.append({"op": "add", "path": "/spec/activeDeadlineSeconds", "value": seconds})
    if changes:
        operations = (*_same(pod), *changes)
        yield Patch(path=pod.path, uid=pod.uid, what=", ".join(said), operations=operations)
    if kube.ENDING in wanted:
        message = f"Lease {lease.id} ends at {wanted[kube.ENDING]}: SIGTERM comes {lease.grace_s} s before; `dure lease extend` while that is open"
        yield Tell(path=pod.path, uid=pod.uid, reason="LeaseEnding", message=message, warning=True)


def _deadline(pod: Pod, lease: LeaseNow, context: Context) -> int | None:
    """One that its kubelet has not begun with gets one that is a little late, so that it has one whoever dies now."""
    if not extending_closed(lease, context.now):
        return None
    if pod.started_at is not None:
        return deadline(pod, lease, context.terms, pod.started_at)
    wanted = deadline(pod, lease, context.terms, math.ceil(context.now))
    return None if wanted is not None and (pod.deadline_s or math.inf) <= wanted + NOT_YET_S else wanted


def _same(pod: Pod) -> Iterator[Json]:
    """The same pod, whatever its company writes on it meanwhile: by writing without end nobody keeps us from it. One without
    annotations has them made, which would undo what another makes of them.
    """
    yield {"op": "test", "path": "/metadata/uid", "value": pod.uid}
    if not pod.has_annotations:
        yield {"op": "test", "path": "/metadata/resourceVersion", "value": pod.version}


def _told(pod: Pod, end: float, context: Context, why: str, at: int | None = None) -> Iterator[Action]:
    """Its SIGTERM, with all of the grace that is left. One that its maker deletes with a longer grace is hurried."""
    if pod.is_over or (pod.deleted_at is not None and pod.deleted_at <= end + SOON_S):
        return
    grace_s = left_s(end, context.now)
    yield Delete(path=pod.path, uid=pod.uid, lease=pod.placed, grace_s=grace_s, why=why, at=at, gone_by=end)


def _hurried(pod: Pod, why: str, at: int) -> Iterator[Action]:
    if not pod.is_over and not _is_cut(pod):
        yield Delete(path=pod.path, uid=pod.uid, lease=pod.placed, grace_s=1, why=why, at=at)


def _is_cut(pod: Pod) -> bool:
    """Whether it is being deleted without grace. A grace cut short counts from when it was first deleted, so the instant at
    which it is over may be long past while the kubelet still waits for it: the grace says, the instant does not.
    """
    return pod.deleted_at is not None and pod.deletion_grace_s is not None and pod.deletion_grace_s <= 1


def _gone(pod: Pod, context: Context, why: str, at: int | None) -> Iterator[Action]:
    """What is over of itself stays to be looked at, unless it was deleted and something holds it."""
    if not pod.is_over and not _is_cut(pod):
        yield Delete(path=pod.path, uid=pod.uid, lease=pod.placed, grace_s=1, why=why, at=at)
    elif pod.deleted_at is not None and (pod.is_over or pod.deleted_at + SOON_S <= context.now):
        yield from _freed(pod, context, why, at)


def _freed(pod: Pod, context: Context, why: str, at: int | None) -> Iterator[Action]:
    """Whatever holds the object of a pod whose time is up."""
    is_lost = pod.node is not None and pod.node not in context.nodes
    if is_lost and pod.deletion_grace_s != 0:
        yield Delete(path=pod.path, uid=pod.uid, lease=pod.placed, grace_s=0, why=f"{why}, and its node is gone", at=at)
    elif (kept := _kept(pod, context.now)) != pod.finalizers:
        change: Json = {"op": "replace", "value": [*kept]} if kept else {"op": "remove"}
        operations = (*_same(pod), {**change, "path": "/metadata/finalizers"})
        yield Patch(path=pod.path, uid=pod.uid, what="finalizers", operations=operations)


def _kept(pod: Pod, now: float) -> tuple[str, ...]:
    """What may hold it for now."""
    return () if now >= _counted_at(pod) else tuple(one for one in pod.finalizers if one == COUNTED_BY)


def _counted_at(pod: Pod) -> float:
    """Until when it may be counted: an API server puts the instant of a deletion back where a grace is cut short, so of one whose
    kubelet said when it was over that counts.
    """
    return max(pod.deleted_at or 0, pod.over_at or 0) + COUNTED_S


def _read(pod: Pod, seen: Seen, context: Context) -> Iterator[Action]:
    """Its last lines: followed from a moment before its end, as its kubelet may have removed them a second after it, and read
    once more when it is over. A node that is not ready is not asked.
    """
    node = context.nodes.get(pod.node or "")
    if not pod.placed or node is None or not node.ready:
        return
    lasts_s = _lasts_s(pod, context)
    for container in pod.containers[:MOST_CONTAINERS]:
        how = seen.lines.get((pod.uid, container))
        if pod.is_over and how in (None, Lines.READ):
            yield Keep(path=pod.path, uid=pod.uid, container=container)
        elif not pod.is_over and how is None and lasts_s is not None:
            yield Follow(path=pod.path, uid=pod.uid, container=container, lasts_s=lasts_s)


def _lasts_s(pod: Pod, context: Context) -> float | None:
    """For how long its lines are followed from now on; None before its end is near."""
    lease = context.leases.get(pod.placed or "")
    if pod.deleted_at is None and lease is not None and context.now < _followed_from(pod, lease, context.terms):
        return None
    ends = [at for at in (pod.deleted_at, None if lease is None else lease.stops_at) if at is not None]
    return max(0.0, min(ends, default=context.now) - context.now) + LATE_S


def _followed_from(pod: Pod, lease: LeaseNow, terms: Terms) -> int:
    """A moment before its end is asked for, or its deadline comes."""
    return min(lease.ending_at, terms.cut_at(lease) - pod.grace_s) - FOLLOWED_S
