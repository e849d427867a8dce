"""What a node agent sends and what it is answered.

An agent learns what its GPUs are leased to from the answer and nowhere else. Proof of empty is a handshake that needs
no clock: the answer tells the agent that an allocation ended; a later report carries readings that were taken after
the agent knew, and names the allocation in `knew_ended`.
"""

from typing import Annotated, Literal

from pydantic import Field

from dure.wire.values import CompanyName, GpuUuid, Instant, Label, Wire

MAX_REPORT_BYTES = 1 << 20
"""Of a report after decompression; 64 GPUs take about 40 kB."""

Count = Annotated[int, Field(ge=0, le=1 << 62, strict=True)]
Text = Annotated[str, Field(max_length=200)]
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class GpuReading(Wire):
    """One GPU at one instant. A value that could not be read is null: unknown, which is never zero and never idle."""

    uuid: GpuUuid
    index: Annotated[int, Field(ge=0, le=1023, strict=True)]
    product: Label
    health: Literal["ok", "suspect", "unhealthy"]
    health_reason: Text | None = None
    memory_total_bytes: Count | None = None
    memory_used_bytes: Count | None = None
    utilization_percent: Annotated[int, Field(ge=0, le=100, strict=True)] | None = None
    power_milliwatts: Count | None = None
    energy_millijoules: Count | None = None
    temperature_celsius: Annotated[int, Field(ge=-100, le=300, strict=True)] | None = None
    processes: Count | None = None
    """Compute processes on it; null when the agent cannot see the host's processes, which proves nothing."""


class AllocationUsage(Wire):
    """What the agent saw of one allocation on one day since this agent process started, as running totals.

    Totals, not differences: sending one twice, or losing one, changes nothing. A day is told until its final totals are
    taken, however late that is.
    """

    allocation: Id
    day_began_at: Instant
    """One of the answers' `midnights`; beyond the last of them, whole 24 hours after it."""
    sampled_ms: Count
    busy_ms: Count
    energy_millijoules: Count | None = None
    memory_ms: Count = 0
    """For how long its memory was seen."""
    memory_mebibyte_s: Count = 0
    """The memory in use, times that time."""


class Report(Wire):
    version: Literal[1] = 1
    boot: Id
    """Made anew when the agent process starts; running totals begin again at zero with it."""
    host_boot: Id | None = None
    """What the kernel calls its own start: another one says that the machine was restarted, and what ran on it is gone. Null
    where the agent cannot tell."""
    seq: Annotated[int, Field(ge=1, le=1 << 62, strict=True)]
    sent_at: Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]
    """The node's own clock, in Unix seconds; used to measure its offset only."""
    interval_s: Annotated[float, Field(ge=0.1, le=3600, allow_inf_nan=False)]
    agent_version: Text
    driver_version: Text | None = None
    gpus: Annotated[list[GpuReading], Field(max_length=1024)]
    knew_ended: Annotated[list[Id], Field(max_length=4096)] = []
    """Allocations that the agent knew to be over before it took these readings."""
    usage: Annotated[list[AllocationUsage], Field(max_length=4096)] = []


class NodeAllocation(Wire):
    """A GPU of the node held by a lease, or held no more but not yet proved empty (`ended`)."""

    allocation: str
    gpu: GpuUuid
    lease: str
    company: CompanyName
    starts_at: Instant
    stops_at: Instant
    ended: bool


class ReportAnswer(Wire):
    server_time: float
    """The allocator's clock, in Unix seconds."""
    seq: int
    """The report this answers."""
    allocations: list[NodeAllocation]
    midnights: list[Instant] = []
    """When the programme's days begin, from yesterday's on, for a week ahead: use is told by day."""
