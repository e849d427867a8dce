"""Nodes, GPUs and the calendar: what exists and when it is free."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from dure.wire.identity import NodeIdentity
from dure.wire.values import (
    HORIZON_S,
    CompanyName,
    GpuUuid,
    Instant,
    Label,
    LeaseState,
    NodeName,
    PoolName,
    Wire,
)

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
