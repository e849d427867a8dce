"""Pods that have more GPUs than their lease holds, which no swap explains: violations that the allocator finds itself."""

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from sqlmodel import Session

from dure import wire
from scheduler.store import violations

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """A pod of a lease that the kubelet gave a GPU beyond those that the lease holds."""

    gpu: str
    lease: str
    namespace: str
    pod: str


def note(session: Session, node: str, found: Iterable[Beyond], *, now: float) -> None:
    """All of the node that there are now. One that its agent told of before is the agent's to take back."""
    there = violations.open_of(session, node)
    pods = {(one.gpu, "pod", f"{one.namespace}/{one.pod}"): one for one in found}
    for key, row in there.items():
        if row.found_by == violations.ALLOCATOR and key not in pods:
            violations.over(session, row, now)
    new = [one for key, one in pods.items() if key not in there]
    if new:
        violations.begin(session, node, [_told(one, now) for one in new], now=now)
    for one in new:
        log.warning(
            "a pod has a GPU that its lease does not hold, and no swap explains it: see `dure violations`, and delete the pod",
            action="allocation.unexplained",
            node=node,
            gpu=one.gpu,
            lease=one.lease,
            holder=f"{one.namespace}/{one.pod}",
        )


def _told(one: Beyond, now: float) -> wire.GpuViolation:
    return wire.GpuViolation.model_construct(gpu=one.gpu, kind="pod", since=now, namespace=one.namespace, pod=one.pod)
