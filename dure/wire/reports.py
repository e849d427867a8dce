"""What a node agent sends and what it is answered.

An agent learns what its GPUs are leased to from the answer and nowhere else. Proof of empty is a handshake that needs
no clock: the answer tells the agent that an allocation ended; a later report carries readings that were taken after
the agent knew, and names the allocation in `knew_ended`.
"""

from typing import Annotated, Literal

from pydantic import Field

from dure.wire.values import CompanyName, GpuUuid, Instant, Label, PoolName, Wire

MAX_REPORT_BYTES = 1 << 20
"""Of a report after decompression; 64 GPUs take about 40 kB."""

Count = Annotated[int, Field(ge=0, le=1 << 62, strict=True)]
Text = Annotated[str, Field(max_length=200)]
KubeName = Annotated[str, Field(min_length=1, max_length=253)]
NodeTime = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]
"""Unix seconds by the node's own clock. How far that is from ours is measured with each report, and taken off."""
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


GpuHealth = Literal["ok", "suspect", "unhealthy"]
EventKind = Literal["xid", "health", "device", "violation", "proof"]


class GpuReading(Wire):
    """One GPU at one instant. A value that could not be read is null: unknown, which is never zero and never idle."""

    uuid: GpuUuid
    index: Annotated[int, Field(ge=0, le=1023, strict=True)]
    product: Label
    health: GpuHealth
    health_reason: Text | None = None
    memory_total_bytes: Count | None = None
    memory_used_bytes: Count | None = None
    utilization_percent: Annotated[int, Field(ge=0, le=100, strict=True)] | None = None
    power_milliwatts: Count | None = None
    energy_millijoules: Count | None = None
    temperature_celsius: Annotated[int, Field(ge=-100, le=300, strict=True)] | None = None
    processes: Count | None = None
    """Processes on it; null when the agent cannot see the host's processes, which proves nothing."""
    parent: GpuUuid | None = None
    """The GPU that a MIG instance is cut from."""
    mig_profile: Text | None = None
    serial: Text | None = None
    pci_bus_id: Text | None = None
    numa_node: Annotated[int, Field(ge=0, le=65_535, strict=True)] | None = None
    nvlink_domain: Text | None = None
    ecc_uncorrected: Count | None = None
    last_xid: Count | None = None
    throttled: Text | None = None
    """Why its clocks are held down now, where that is a sign of trouble."""


class GpuChange(Wire):
    """What changed of a GPU since the report that this one builds on. What is left out is as it was; null is unknown now."""

    uuid: GpuUuid
    health: GpuHealth | None = None
    health_reason: Text | None = None
    memory_total_bytes: Count | None = None
    memory_used_bytes: Count | None = None
    utilization_percent: Annotated[int, Field(ge=0, le=100, strict=True)] | None = None
    power_milliwatts: Count | None = None
    energy_millijoules: Count | None = None
    temperature_celsius: Annotated[int, Field(ge=-100, le=300, strict=True)] | None = None
    processes: Count | None = None
    ecc_uncorrected: Count | None = None
    last_xid: Count | None = None
    throttled: Text | None = None


class GpuHolder(Wire):
    """A container that the kubelet gave a GPU to."""

    gpu: GpuUuid
    namespace: KubeName
    pod: KubeName
    container: KubeName
    resource: Text


class GpuViolation(Wire):
    """Somebody on a GPU whom no lease explains: a process of the host, or a pod that the kubelet gave a GPU of another's lease."""

    gpu: GpuUuid
    kind: Literal["process", "pod"]
    since: NodeTime
    pid: Count | None = None
    name: Text | None = None
    cgroup: Annotated[str, Field(max_length=1000)] | None = None
    container: Text | None = None
    pod_uid: Text | None = None
    namespace: KubeName | None = None
    pod: KubeName | None = None


class Unproved(Wire):
    """An allocation that is over, on whose GPU nobody is, and that may not be called empty yet."""

    allocation: Id
    why: Text


class NodeEvent(Wire):
    """Something that happened on a node. `id` counts up over the node's life, not the agent's; `at` is the node's own clock."""

    id: Annotated[int, Field(ge=1, le=1 << 62, strict=True)]
    at: NodeTime
    kind: EventKind
    gpu: GpuUuid | None = None
    detail: dict[Id, Annotated[str, Field(max_length=1000)] | int | float | bool | None] = {}


class KeptEvent(Wire):
    """Something that happened on a node, as it is kept: `at` by our clock, `id` by the agent's count, `boot` the agent that told it."""

    id: int
    at: Instant
    boot: str
    kind: EventKind
    gpu: GpuUuid | None = None
    detail: dict[str, str | int | float | bool | None] = {}


class EarlierUsage(Wire):
    """Running totals of an agent process that is gone and had not told them all."""

    boot: Id
    usage: Annotated[list["AllocationUsage"], Field(min_length=1, max_length=4096)]


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
    """Version 1 is always whole and ends with `usage`. In version 2 a report may build on the newest that was taken: then `base`
    is its number, `gpus` is empty, and what is left out is as it was.
    """

    version: Literal[1, 2] = 1
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
    """Those whose totals changed; all of them in a whole report."""
    base: Annotated[int, Field(ge=1, le=1 << 62, strict=True)] | None = None
    """The report that this one builds on, of the same `boot`; null: it is whole."""
    changed: Annotated[list[GpuChange], Field(max_length=1024)] = []
    cuda_version: Text | None = None
    holders: Annotated[list[GpuHolder], Field(max_length=4096)] | None = None
    """Null in a whole report: the kubelet cannot be asked. Null in one that builds on another: as it was."""
    violations: Annotated[list[GpuViolation], Field(max_length=256)] | None = None
    """All that there are now; null as for `holders`, where a whole report without any says that it cannot tell."""
    unproved: Annotated[list[Unproved], Field(max_length=4096)] = []
    """Never built on another report's."""
    events: Annotated[list[NodeEvent], Field(max_length=256)] = []
    """Told until the answer's `events_taken` says that they are kept."""
    earlier: Annotated[list[EarlierUsage], Field(max_length=16)] = []


class NodeAllocation(Wire):
    """A GPU of the node held by a lease, or held no more but not yet proved empty (`ended`)."""

    allocation: str
    gpu: GpuUuid
    lease: str
    company: CompanyName
    starts_at: Instant
    stops_at: Instant
    ended: bool
    empty_memory_bytes: int | None = None
    """How much memory in use is none, on a GPU of its pool."""


class ReportAnswer(Wire):
    server_time: float
    """The allocator's clock, in Unix seconds."""
    seq: int
    """The report this answers."""
    allocations: list[NodeAllocation]
    midnights: list[Instant] = []
    """When the programme's days begin, from yesterday's on, for a week ahead: use is told by day."""
    whole: bool = False
    """The report built on one that is not known here: the next has to be whole."""
    events_taken: int | None = None
    """Events up to this id are kept."""
    earlier_taken: list[Id] = []
    """Boots of which what was told in `earlier` is kept."""
    replay: int = 0
    """How many kept events and earlier totals the next report may carry, so that a fleet that comes back is not too much at once."""
    pools: dict[GpuUuid, PoolName] | None = None
    """Which pool each GPU of the node is in; null: as it was told before."""
    report_in_s: float | None = None
    """Do not send the next regular report sooner than this; null: as the agent is set."""
