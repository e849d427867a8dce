"""What a driver saw of a node's GPUs at one instant: the one value that report and /metrics are made of.

Nothing here reads a device. A value that cannot be had is None, which is unknown: never zero, never idle. A lost GPU is
an entry that says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from agents.allocations import Allocations

Health = Literal["ok", "suspect", "unhealthy"]
HEALTHS: tuple[Health, ...] = ("ok", "suspect", "unhealthy")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSnapshot:
    """One schedulable GPU, whole or a MIG instance. `parent` is the UUID of the GPU that a MIG instance is cut from."""

    uuid: str
    index: int
    product: str
    parent: str | None = None
    serial: str | None = None
    pci_bus_id: str | None = None
    health: Health = "ok"
    health_reason: str | None = None
    utilization_percent: int | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    power_milliwatts: int | None = None
    energy_millijoules: int | None = None
    """Counts up since the driver was loaded."""
    temperature_celsius: int | None = None
    ecc_uncorrected: int | None = None
    """Errors since the driver was loaded."""
    last_xid: int | None = None
    """The newest critical XID since the agent started; None as well where the driver sends no events."""
    processes: int | None = None
    """Compute processes of the whole host; None where they were not asked for, or cannot be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All GPUs of a node. `sees_processes` is false where the host's processes are hidden from this agent."""

    gpus: tuple[GpuSnapshot, ...]
    driver_version: str | None = None
    sees_processes: bool = False

    def but(self, change: Callable[[GpuSnapshot], GpuSnapshot]) -> "Snapshot":
        """The same snapshot with every GPU changed."""
        return replace(self, gpus=tuple(change(gpu) for gpu in self.gpus))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A snapshot, the monotonic second at which its reading began, and what the agent knew before it began.

    `wall` is the node's own clock at about that time, for people alone.
    """

    snapshot: Snapshot
    at: float
    wall: float
    allocations: Allocations

    def gpus(self) -> Mapping[str, GpuSnapshot]:
        return {gpu.uuid: gpu for gpu in self.snapshot.gpus}


def without_readings(gpu: GpuSnapshot, *, health: Health, reason: str) -> GpuSnapshot:
    """The GPU's identity alone: what is still true of it when it does not answer."""
    return GpuSnapshot(
        uuid=gpu.uuid,
        index=gpu.index,
        product=gpu.product,
        parent=gpu.parent,
        serial=gpu.serial,
        pci_bus_id=gpu.pci_bus_id,
        health=health,
        health_reason=reason,
        memory_total_bytes=gpu.memory_total_bytes,
        last_xid=gpu.last_xid,
    )
