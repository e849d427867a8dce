"""Violations: somebody on a GPU whom no lease explains, as people see it."""

from enum import StrEnum
from typing import Literal

from dure.wire.values import CompanyName, GpuUuid, Instant, NodeName, PoolName, Wire


class ViolationDone(StrEnum):
    """What Dure does about it."""

    OBSERVED = "observed"
    """It is told of, as the pool's policy has it."""
    NOT_OURS = "not_ours"
    """It would be ended, but it is in no company's namespace, where nothing is Dure's to end: somebody has to."""
    POD_ENDED = "pod_ended"
    """Its pod is ended by the scheduler."""


class ViolationEvidence(Wire):
    """What was seen of it. What could not be read is null."""

    pid: int | None = None
    """A process by the host's number."""
    name: str | None = None
    cgroup: str | None = None
    container: str | None = None
    """A process's container by its id, a pod's by its name."""
    pod_uid: str | None = None
    namespace: str | None = None
    pod: str | None = None


class Violation(Wire):
    """A process, or a pod that the kubelet gave the GPU to, on a GPU that was not its own, over `[began_at, ended_at)`."""

    id: str
    node: NodeName
    gpu: GpuUuid
    kind: Literal["process", "pod"]
    pool: PoolName | None
    lease: str | None
    """Who held the GPU when it began."""
    company: CompanyName | None
    """Whose pod it is, where that is known and one of a company's."""
    began_at: Instant
    seen_at: Instant
    """When it was last seen, to the minute while it lasts."""
    ended_at: Instant | None
    done: ViolationDone
    evidence: ViolationEvidence
