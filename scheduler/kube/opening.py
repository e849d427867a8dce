"""The patch that lets a pod in: pins, tolerates, marks and opens the gate at once."""

import math
from collections.abc import Iterator, Mapping

from dure import kube
from scheduler.kube.actions import Json, Open
from scheduler.kube.desired import CompanyNow, LeaseNow, Terms
from scheduler.kube.instants import written
from scheduler.kube.observed import HOSTNAME, Pod
from scheduler.kube.pairing import Seat


def opened(pod: Pod, seat: Seat, terms: Terms, now: float) -> Open:
    """As a JSON patch, which fails as a whole where the pod is another by now."""
    return Open(
        path=pod.path,
        uid=pod.uid,
        lease=seat.lease.id,
        node=seat.node.name,
        operations=tuple(_operations(pod, seat, terms, now)),
    )


def stays(action: Open, company: CompanyNow | None, now: float) -> bool:
    """Whether what was decided a while ago is so still: its lease may have been released meanwhile, or have moved."""
    leases = () if company is None else company.leases
    lease = next((one for one in leases if one.id == action.lease), None)
    return lease is not None and lease.holds and now < lease.ending_at and action.node in lease.placement


def deadline(pod: Pod, lease: LeaseNow, terms: Terms, begins: float) -> int | None:
    """Seconds after `begins` by which its kubelet ends it by itself; None where it has one that is no later already.

    The kubelet gives the pod its own grace after the deadline, so that lies before.
    """
    wanted = max(1, math.floor(terms.cut_at(lease) - begins) - pod.grace_s)
    return None if pod.deadline_s is not None and pod.deadline_s <= wanted else wanted


def extending_closed(lease: LeaseNow, now: float) -> bool:
    return lease.closes_at is not None and now >= lease.closes_at


def _operations(pod: Pod, seat: Seat, terms: Terms, now: float) -> Iterator[Json]:
    yield {"op": "test", "path": "/metadata/resourceVersion", "value": pod.version}
    if pod.selects:
        yield _add("/spec/nodeSelector/" + escaped(HOSTNAME), seat.node.hostname)
    else:
        yield _add("/spec/nodeSelector", {HOSTNAME: seat.node.hostname})
    toleration = {"key": terms.taint_key, "operator": "Exists", "effect": "NoSchedule"}
    yield _add("/spec/tolerations/-", toleration) if pod.tolerates else _add("/spec/tolerations", [toleration])
    if pod.has_labels:
        yield _add("/metadata/labels/" + escaped(kube.PLACEMENT_LABEL), seat.lease.id)
    else:
        yield _add("/metadata/labels", {kube.PLACEMENT_LABEL: seat.lease.id})
    yield from annotated(pod, marks(seat.lease, terms, now))
    # It counts from when the kubelet begins, a moment from now: made exact once that is known.
    seconds = deadline(pod, seat.lease, terms, math.ceil(now)) if extending_closed(seat.lease, now) else None
    if seconds is not None:
        yield _add("/spec/activeDeadlineSeconds", seconds)
    rest = [{"name": name} for name in pod.gates if name != kube.GATE]
    yield {"op": "replace", "path": "/spec/schedulingGates", "value": rest}


def marks(lease: LeaseNow, terms: Terms, now: float) -> dict[str, str]:
    """What is written on a pod of the lease: its end, and the warning of it once that is near."""
    end = written(lease.stops_at)
    is_near = now >= lease.stops_at - terms.warning_s
    return {kube.ENDS_AT: end, kube.ENDING: end} if is_near else {kube.ENDS_AT: end}


def annotated(pod: Pod, written: Mapping[str, str]) -> Iterator[Json]:
    """The operations that write annotations."""
    if pod.has_annotations:
        yield from (_add("/metadata/annotations/" + escaped(name), value) for name, value in written.items())
    elif written:
        yield _add("/metadata/annotations", dict(written))


def escaped(name: str) -> str:
    """A key in a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _add(path: str, value: object) -> Json:
    return {"op": "add", "path": path, "value": value}
