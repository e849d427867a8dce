"""What a driver saw of a node's GPUs at one instant: the one value that report and /metrics are made of.

Nothing here reads a device. A value that cannot be had is None, which is unknown: never zero, never idle. A lost GPU is
an entry that says so. Amounts are in the unit their name ends with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from agents.allocations import Allocations

Health = Literal["ok", "suspect", "unhealthy"]
HEALTHS: tuple[Health, ...] = ("ok", "suspect", "unhealthy")

Lost = Literal["lost", "reset_required"]
"""Why a GPU does not answer at all: it fell off the bus, or it must be reset before it can be used."""

Source = Literal["gpm", "rates"]
"""What utilisation was read from: GPM's counters (Hopper and later), or the older sampled rates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of the host on a GPU. `container` and `pod` are ids out of its cgroup; `started_at` is Unix time by the node's clock.

    `pod` is the uid that the kubelet knows its pod by. What cannot be read of a process that is just leaving is None.
    """

    pid: int
    kind: Literal["compute", "graphics"] = "compute"
    name: str | None = None
    used_memory_bytes: int | None = None
    started_at: float | None = None
    cgroup: str | None = None
    container: str | None = None
    pod: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Xid:
    """A critical XID that the driver told of; `gpu` is the physical GPU, `at` Unix time by the node's clock.

    It came so many `times`, and `at` is the newest of them.
    """

    gpu: str
    xid: int
    at: float
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSnapshot:
    """One schedulable GPU, whole or a MIG instance. `parent` is the UUID of the GPU that a MIG instance is cut from.

    Counters count since the driver was loaded, unless said otherwise.
    """

    uuid: str
    index: int
    product: str
    parent: str | None = None
    mig_profile: str | None = None
    """As in `1g.10gb`."""
    mig_instance: str | None = None
    """GPU instance and compute instance, as in `3/0`."""
    serial: str | None = None
    pci_bus_id: str | None = None
    numa_node: int | None = None
    architecture: str | None = None
    """NVML's name, as in `hopper`."""
    nvlink_domain: str | None = None
    """The NVLink fabric that it is in, by cluster and clique; None where there is none."""
    nvlink_peers: tuple[str, ...] | None = None
    """What its active links lead to, as PCI bus ids, each once."""

    lost: Lost | None = None
    trouble: str | None = None
    """The first error that the driver gave for a plain reading, in a sentence."""
    health: Health = "ok"
    health_reason: str | None = None

    utilization_percent: int | None = None
    utilization_source: Source | None = None
    sm_active_percent: int | None = None
    tensor_active_percent: int | None = None
    dram_active_percent: int | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    power_milliwatts: int | None = None
    power_limit_milliwatts: int | None = None
    energy_millijoules: int | None = None
    """Of the whole GPU: a MIG instance has none of its own."""
    sm_clock_megahertz: int | None = None
    memory_clock_megahertz: int | None = None
    throttle_reasons: tuple[str, ...] | None = None
    """NVML's clock event reasons that hold now, as in `sw_power_cap`, `hw_thermal_slowdown`."""
    throttled_nanoseconds: Mapping[str, int] | None = None
    """How long clocks were held down, by why: power, thermal, sync_boost, board_limit, low_utilization, reliability."""
    temperature_celsius: int | None = None
    memory_temperature_celsius: int | None = None
    slowdown_celsius: int | None = None
    """The temperature at which it slows itself down."""
    ecc_corrected: int | None = None
    ecc_uncorrected: int | None = None
    ecc_uncorrected_lifetime: int | None = None
    """Over the GPU's life."""
    remapped_rows_corrected: int | None = None
    """Over the GPU's life, as the others of rows and pages."""
    remapped_rows_uncorrected: int | None = None
    remap_pending: bool | None = None
    remap_failed: bool | None = None
    retired_pages: int | None = None
    retired_pages_pending: bool | None = None
    nvlinks_active: int | None = None
    nvlinks_inactive: int | None = None
    nvlink_errors: int | None = None
    """Replays, recoveries and CRC errors of all links."""
    pcie_replays: int | None = None
    last_xid: int | None = None
    """The newest critical XID since the agent started; None as well where the driver sends no events."""

    processes: int | None = None
    """Processes of the whole host on it, those that are always allowed apart; None where they were not asked for, or cannot be seen."""
    seen: tuple[Process, ...] = ()
    """Those processes, as far as they were read."""
    absent: Mapping[str, str] | None = None
    """Why a field above is None, by its name: `not_supported`, `no_permission`, `not_in_library`, `mig`, `unreadable`, or the
    driver's own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All GPUs of a node. `sees_processes` is false where the host's processes are hidden from this agent.

    `xids` are those that came since the last reading, each once for a GPU, in the order of their newest. `cards` are the physical GPUs that are cut into instances, with
    what is read of the whole of each: nobody can be granted one, so none is in `gpus`. The `index` of one is NVML's own.
    """

    gpus: tuple[GpuSnapshot, ...]
    cards: tuple[GpuSnapshot, ...] = ()
    driver_version: str | None = None
    cuda_version: str | None = None
    sees_processes: bool = False
    xids: tuple[Xid, ...] = ()

    def but(self, change: Callable[[GpuSnapshot], GpuSnapshot]) -> "Snapshot":
        """The same snapshot with every schedulable GPU changed."""
        return replace(self, gpus=tuple(change(gpu) for gpu in self.gpus))


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A container that the kubelet gave a device to, by its own record."""

    gpu: str
    namespace: str
    pod: str
    container: str
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Somebody on a GPU whom no lease explains, since `since` (Unix time by the node's clock), with evidence.

    `kind` is `process` for a process, `pod` for a pod that the kubelet gave a GPU of somebody else's lease, or of none.
    """

    gpu: str
    kind: Literal["process", "pod"]
    since: float
    pid: int | None = None
    name: str | None = None
    cgroup: str | None = None
    container: str | None = None
    pod_uid: str | None = None
    namespace: str | None = None
    pod: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A snapshot, the monotonic second at which its reading began, and what the agent knew before it began.

    `wall` is the node's own clock at about that time, for people alone. What follows is what the stages of the sampler made of it.
    """

    snapshot: Snapshot
    at: float
    wall: float
    allocations: Allocations
    holders: tuple[Holder, ...] | None = None
    """None where the kubelet cannot be asked: then nobody can tell."""
    violations: tuple[Violation, ...] = ()
    unproved: Mapping[str, str] | None = None
    """Ended allocations whose GPU may not be called empty yet though nobody is on it, and why: it is being scrubbed or checked."""
    suspicious: frozenset[str] = frozenset()
    """GPUs whose processes the next reading asks for."""

    def gpus(self) -> Mapping[str, GpuSnapshot]:
        return {gpu.uuid: gpu for gpu in self.snapshot.gpus}


def without_readings(gpu: GpuSnapshot, *, health: Health, reason: str, lost: Lost | None = None) -> GpuSnapshot:
    """The GPU's identity alone: what is still true of it when it does not answer."""
    return GpuSnapshot(
        uuid=gpu.uuid,
        index=gpu.index,
        product=gpu.product,
        parent=gpu.parent,
        mig_profile=gpu.mig_profile,
        mig_instance=gpu.mig_instance,
        serial=gpu.serial,
        pci_bus_id=gpu.pci_bus_id,
        numa_node=gpu.numa_node,
        architecture=gpu.architecture,
        nvlink_domain=gpu.nvlink_domain,
        lost=lost,
        health=health,
        health_reason=reason,
        memory_total_bytes=gpu.memory_total_bytes,
        last_xid=gpu.last_xid,
    )
