"""Pools, nodes, GPUs and the calendar: what exists and when it is free."""

from collections.abc import Mapping
from enum import StrEnum
from types import NoneType
from typing import Annotated, Any, Self, cast, get_args

from pydantic import ConfigDict, Field, StringConstraints, model_serializer, model_validator

from dure.kube import DEFAULT_RESOURCE
from dure.wire.identity import NodeIdentity
from dure.wire.policy import OnViolation, PoolPolicy, Rule
from dure.wire.shares import Contended
from dure.wire.values import (
    HORIZON_S,
    CompanyName,
    GpuUuid,
    Instant,
    Label,
    LeaseState,
    NodeName,
    Patch,
    PoolName,
    Wire,
)

ClusterName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
ResourceName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"),
]

DomainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,63}$")]


class GpuState(StrEnum):
    """Where a GPU stands now; each GPU is in exactly one of these."""

    FREE = "free"
    """Also on a node that is out of service; its pool's `free_draining` counts those."""
    LEASED = "leased"
    CLEANING = "cleaning"
    """Its lease is over, its gap is running, and it is not proved empty yet."""
    QUARANTINED = "quarantined"
    """Its gap is over and it is still not proved empty; it is granted to nobody."""
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"
    """Its node's agent is silent."""
    UNPOOLED = "unpooled"


class NodeState(StrEnum):
    ENROLLED = "enrolled"
    """Has a token and has never reported."""
    OK = "ok"
    UNKNOWN = "unknown"
    """Silent for three report intervals: no new starts, running leases untouched."""


class ClusterState(StrEnum):
    """How a cluster stands; `GET /v1/clusters` says what is wrong."""

    OK = "ok"
    TROUBLE = "trouble"
    """Something is wrong with it."""
    UNKNOWN = "unknown"
    """No scheduler is told of it: nobody enforces leases there."""


class PoolCreate(PoolPolicy):
    """A pool to be, with the policy that it begins with."""

    name: PoolName
    product: Label
    """The NVML product name that makes a GPU belong here, for example `NVIDIA H100 80GB HBM3`."""
    cluster: ClusterName | None = None
    """The Kubernetes cluster that enforces its leases, as the scheduler's settings call it; null where none does."""
    resource: ResourceName = DEFAULT_RESOURCE
    """What that cluster calls its GPUs, for example `nvidia.com/mig-1g.10gb` for a MIG profile."""


class PoolChange(Patch):
    """Where a pool's leases are enforced. What is left out stays; null takes the cluster away."""

    cluster: ClusterName | None = None
    resource: ResourceName | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("say what to change: cluster or resource")
        return self


class Pool(Wire):
    name: PoolName
    product: str
    cluster: str | None = None
    cluster_state: ClusterState | None = None
    """How that cluster stands; `unknown` while no scheduler is told of it, so that nobody enforces the pool's leases."""
    resource: str = DEFAULT_RESOURCE
    gap_s: int
    grace_s: int
    extension_closes_s: int = 600
    renews_before_s: int = 1800
    empty_memory_bytes: int
    seen_empty_bytes: int | None = None
    """The most memory that is in use now on a free GPU without a process: what `empty_memory_bytes` has to be above. Null where no GPU
    is free."""
    rule: Rule
    slack_ppm: int
    reserve_ppm: int
    reserve_over_s: int
    walk_in_ppm: int = 0
    walk_in_within_s: int = 3600
    seniority_s: int | None
    loss_grace_s: int = 300
    no_show_after_s: int | None = None
    keeps: int = 2
    idle_after_s: int | None = None
    idle_below_ppm: int = 50_000
    inference_idle_after_s: int | None = None
    inference_idle_below_ppm: int = 10_000
    violations: OnViolation = "observe"
    contended: Contended = "none"
    contended_ppm: int = 900_000
    half_life_s: int = 604_800
    entry_s: int = 3600
    spot_least_s: int | None = None
    policy_number: int | None = None
    """The version of the policy that it promises by."""
    created_at: Instant
    generation: int
    """Counts the decisions and changes of this pool."""
    nodes: int
    gpus: dict[GpuState, int]
    free_draining: int = 0
    """So many of the free ones are on nodes that are out of service now: nothing starts on them."""
    queued: int
    """Asks waiting in the queue."""


def _without_defaults(schema: dict[str, Any]) -> None:
    """What is left out of a change stays as it is."""
    for field in schema["properties"].values():
        field.pop("default", None)


CAN_BE_NONE = frozenset(
    name for name, field in PoolPolicy.model_fields.items() if NoneType in get_args(field.annotation)
)
"""What a pool's policy may have none of."""


class PolicyChange(PoolPolicy):
    """The parts of a pool's policy to change. What is left out stays; null takes away what can be none."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    @model_validator(mode="before")
    @classmethod
    def _null_says_nothing(cls, values: object) -> object:
        """But of what can be none."""
        if not isinstance(values, Mapping):
            return values
        said = cast("Mapping[str, object]", values)
        return {name: value for name, value in said.items() if value is not None or name in CAN_BE_NONE}

    @model_serializer
    def said(self) -> dict[str, Any]:
        """What is to change, by the policy's own names."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        """With the rest of the policy is for whoever knows that."""
        if not self.model_fields_set:
            raise ValueError(f"say what to change: {', '.join(PoolPolicy.model_fields)}")
        return self


class NodeLabels(Wire):
    """Where a node stands: its rack, and within it its NVLink island. What is left out stays; empty takes it away."""

    rack: DomainName | None = None
    island: DomainName | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.rack is None and self.island is None:
            raise ValueError("say what to change: rack or island")
        return self


class DrainNode(Wire):
    """A node to be out of service: from `start` on, or from now, for so long."""

    start: Instant | None = None
    duration_s: Annotated[int, Field(ge=1, le=HORIZON_S, strict=True)]
    reason: Label | None = None


class Drain(Wire):
    """A node out of service over `[starts_at, ends_at)`: nothing starts on it, and what is scheduled goes elsewhere."""

    id: str
    node: NodeName
    starts_at: Instant
    ends_at: Instant
    reason: str | None
    empty_from: Instant | None
    """From when on the node is really empty: what runs on it goes on to its own end, and is cleaned up after. Null for
    one that was taken back.
    """


class Touched(Wire):
    """A lease that a drain or its end touches: moved to other nodes, earlier, later or back to the queue, promised a
    start, or running to its own end.
    """

    lease: str
    company: CompanyName
    pool: PoolName
    state: LeaseState
    starts_at_before: Instant | None
    starts_at: Instant | None
    promised_start_before: Instant | None
    promised_start: Instant | None
    slipped_s: int
    """By how much its promise got later."""
    nodes_before: list[NodeName]
    nodes: list[NodeName]


class Drained(Wire):
    """What a drain or its end does, or with `dry_run` would do."""

    drains: list[Drain]
    moved: list[Touched]
    pulled: list[Touched]
    """Queued asks that got a promise, as the node is there again."""
    running: list[Touched]
    """What runs on it into the drain goes on to its own end, and cannot be extended into it."""
    already: bool = False
    """The node was out of service over all of that time already, by the drain that is answered: nothing was changed."""


class NodeEnroll(Wire):
    name: NodeName


class Gpu(Wire):
    uuid: GpuUuid
    index: int
    product: str
    pool: PoolName | None
    state: GpuState
    lease: str | None
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    utilization_percent: int | None
    power_milliwatts: int | None
    temperature_celsius: int | None
    processes: int | None
    health: str
    unproved: str | None = None
    """Why it may not be called empty yet, after a lease."""


class Node(Wire):
    name: NodeName
    state: NodeState
    enrolled_at: Instant
    last_report_at: Instant | None
    silent_s: int | None
    """Whole seconds since the last report."""
    clock_offset_s: int | None
    """How far the node's own clock is ahead of ours; it never decides anything."""
    agent_version: str | None
    driver_version: str | None
    gpus: list[Gpu]
    cuda_version: str | None = None
    rack: str = ""
    island: str = ""
    drains: list[Drain] = []
    """Those that are not over."""
    identity: NodeIdentity | None = None
    """Null where nothing lets its agent in now."""


class FreeStep(Wire):
    """From `at` on, `free` GPUs are free, until the next step."""

    at: Instant
    free: int


class NodeCalendar(Wire):
    node: NodeName
    state: NodeState
    capacity: int
    steps: list[FreeStep]
    drains: list[Drain] = []


class Booking(Wire):
    """A lease in the calendar. Of other companies' leases a company sees times and sizes, not names."""

    lease: str | None
    company: CompanyName | None
    state: LeaseState
    starts_at: Instant
    ends_at: Instant
    blocks_until: Instant
    gpus: int


class WalkInCalendar(Wire):
    """What the pool keeps for starts within `within_s`: `gpus` of it. Of the rest, `steps` have as free what may still be booked
    for a start after `near_until`.
    """

    gpus: int
    within_s: int
    near_until: Instant
    limit_gpus: int
    steps: list[FreeStep]


class Calendar(Wire):
    """The pool over `[since, until)`."""

    pool: PoolName
    since: Instant
    until: Instant
    capacity: int
    nodes: list[NodeCalendar]
    bookings: list[Booking]
    walk_in: WalkInCalendar | None = None
    """None where the pool's policy keeps nothing for walk-ins."""
