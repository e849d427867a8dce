"""What the agents' tests are made of: a clock moved by hand, GPUs and allocations with defaults, scripted drivers."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from typing import Any

from agents.allocations import Allocations, Held
from agents.driver import DriverError
from agents.snapshot import GpuSnapshot, Sample, Snapshot

SERVER_AHEAD_S = 1_800_000_000.0
"""The allocator's Unix time less the agent's monotonic time, in every test."""

GIB = 1 << 30


class Hand:
    """A clock that stands still until it is moved. `wall` is the node's own clock, `off_s` ahead of the allocator's."""

    def __init__(self, at: float = 1000.0, *, off_s: float = 0.0) -> None:
        self.at = at
        self.off_s = off_s

    def monotonic(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at + SERVER_AHEAD_S + self.off_s

    def server_time(self) -> float:
        return self.at + SERVER_AHEAD_S

    def advance(self, seconds: float) -> None:
        self.at += seconds


def a_gpu(uuid: str = "GPU-a", **changed: Any) -> GpuSnapshot:
    gpu = GpuSnapshot(
        uuid=uuid,
        index=0,
        product="NVIDIA H100 80GB HBM3",
        utilization_percent=50,
        memory_total_bytes=80 * GIB,
        memory_used_bytes=10 * GIB,
        power_milliwatts=350_000,
        energy_millijoules=1_000_000,
        temperature_celsius=55,
        ecc_uncorrected=0,
        processes=1,
    )
    return replace(gpu, **changed)


def an_allocation(
    allocation: str = "all_1",
    *,
    gpu: str = "GPU-a",
    starts: float = 1000.0,
    stops: float = 1600.0,
    ended: bool = False,
    lease: str = "lea_1",
    company: str = "acme",
) -> Held:
    """`starts` and `stops` are the agent's monotonic seconds at which the allocator's clock shows those instants."""
    return Held(
        allocation=allocation,
        gpu=gpu,
        lease=lease,
        company=company,
        starts_at=starts + SERVER_AHEAD_S,
        stops_at=stops + SERVER_AHEAD_S,
        ended=ended,
    )


def allocations(*items: Held) -> Allocations:
    return Allocations(items=items, server_ahead_s=SERVER_AHEAD_S)


def a_sample(*gpus: GpuSnapshot, at: float = 1000.0, knowing: Allocations | None = None) -> Sample:
    return Sample(
        snapshot=Snapshot(gpus=gpus or (a_gpu(),), driver_version="570.1", sees_processes=True),
        at=at,
        wall=at + SERVER_AHEAD_S,
        allocations=knowing or allocations(),
    )


class ScriptedDriver:
    """Says what it was given to say, in order, and the last of it for ever."""

    def __init__(self, *script: Sequence[GpuSnapshot] | DriverError, during: Iterable[Any] = ()) -> None:
        self.script = list(script)
        self.during = list(during)
        """Called one a reading, in the middle of it: what happens while the driver is asked."""
        self.asked: list[Set[str] | None] = []
        self.followed: list[Allocations] = []
        self.sees_processes = True

    def says(self, *script: Sequence[GpuSnapshot] | DriverError) -> None:
        """From now on it says this."""
        self.script = list(script)

    def read(self, *, processes_of: Set[str] | None = frozenset()) -> Snapshot:
        self.asked.append(processes_of)
        if self.during:
            self.during.pop(0)()
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(said, DriverError):
            raise said
        return Snapshot(gpus=tuple(said), driver_version="570.1", sees_processes=self.sees_processes)

    def follow(self, allocations: Allocations) -> None:
        self.followed.append(allocations)

    def wait(self, seconds: float) -> bool:
        return False

    def close(self) -> None:
        pass
