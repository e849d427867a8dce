"""The frozen values that decisions are made of. Instants are whole Unix seconds, amounts are integers.

Nothing here, nor anywhere in `scheduler.core`, reads a clock, a database, the network, the environment or chance.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

Instant = NewType("Instant", int)
"""Whole seconds since 1970-01-01T00:00:00Z."""

NodeId = NewType("NodeId", str)
LeaseId = NewType("LeaseId", str)
CompanyId = NewType("CompanyId", str)
PoolId = NewType("PoolId", str)
GpuId = NewType("GpuId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """`nodes` x `gpus_per_node`, all or nothing."""

    nodes: int
    gpus_per_node: int

    @property
    def gpus(self) -> int:
        return self.nodes * self.gpus_per_node

    def __str__(self) -> str:
        return f"{self.nodes} nodes x {self.gpus_per_node} GPUs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """`gpus` on any nodes, as few as possible."""

    gpus: int

    def __str__(self) -> str:
        return f"{self.gpus} GPUs"


Shape = Gang | Total

Placement = tuple[tuple[NodeId, int], ...]
"""How many GPUs on which node, sorted by node."""


class State(StrEnum):
    ASKED = "asked"
    REFUSED = "refused"
    QUEUED = "queued"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    ENDING = "ending"
    ENDED = "ended"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Cause(StrEnum):
    """Why a lease changed its state. Ends of a lease keep the first cause."""

    ASKED = "asked"
    CAPACITY = "capacity"
    """Something ended, was cancelled or came back, so a queued ask fits."""
    STARTED = "started"
    EXPIRED = "expired"
    RELEASED = "released"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    IDLE = "idle"
    NO_SHOW = "no_show"
    REVOKED = "revoked"
    NODE_LOST = "node_lost"
    CAPACITY_LOST = "capacity_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a startup sends, parsed. `start` None is as soon as possible; `start_by` None with a start is exactly then."""

    company: CompanyId
    pool: PoolId
    shape: Shape
    duration_s: int
    start: Instant | None = None
    start_by: Instant | None = None
    queue: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease as far as deciding and its state go. `[starts_at, stops_at)` is charged; the gap after it is not."""

    id: LeaseId
    company: CompanyId
    pool: PoolId
    shape: Shape
    duration_s: int
    state: State
    promised_start: Instant | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    stops_at: Instant | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    end_cause: Cause | None = None
    placement: Placement = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node's GPUs in one pool: `capacity` can be granted; `open` is false while its agent is silent."""

    id: NodeId
    capacity: int
    open: bool = True
    nominal: int = 0
    """How many it has, the sick and quarantined ones too: what could be granted on a good day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules a decision was made by. The version is stamped on every decision."""

    version: str
    horizon_s: int
    gap_s: int


class Code(StrEnum):
    """Permanent reason codes of decisions; those of refusals are problem codes too."""

    STARTS_NOW = "starts_now"
    STARTS_LATER = "starts_later"
    STARTS_AS_ASKED = "starts_as_asked"
    WAITS_FOR_CAPACITY = "waits_for_capacity"
    WAITS_FOR_QUOTA = "waits_for_quota"
    NEVER_FITS = "never_fits"
    QUOTA_EXCEEDED = "quota_exceeded"
    NO_START_IN_WINDOW = "no_start_in_window"


Numbers = Mapping[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The ask is granted: it starts at `start` on `placement`."""

    code: Code
    start: Instant
    end: Instant
    placement: Placement
    numbers: Numbers = field(default_factory=dict[str, int | str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The ask waits: no start can be promised yet."""

    code: Code
    numbers: Numbers = field(default_factory=dict[str, int | str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The ask is refused; the numbers say what the limit is and what would work."""

    code: Code
    numbers: Numbers = field(default_factory=dict[str, int | str])


Verdict = Promise | Queued | Refusal
