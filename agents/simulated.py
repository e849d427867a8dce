"""GPUs that are not there, with the same calls as NVML's: what runs the whole stack on a laptop and in tests.

A simulated GPU works while it is leased and is empty otherwise. It knows of leases by `follow` alone, which is given
what the answer to a report said. It can be told to fail, by its scenario or by `fail`.
"""

import hashlib
import time
import uuid
from collections.abc import Callable, Set
from dataclasses import dataclass, replace

from agents.allocations import Allocations
from agents.curves import IDLE, Curve, Load
from agents.scenario import GIB, Fault, Scenario
from agents.snapshot import GpuSnapshot, Snapshot, Xid, without_readings

MIB = 1 << 20
STALL_STEP_S = 0.2
"""How often a stalled call looks whether it may go on."""


@dataclass(slots=True)
class _Work:
    """A lease's process on a GPU, from when the agent learnt of it."""

    allocation: str
    began: float
    stops_at: float
    curve: Curve


@dataclass(slots=True)
class _Gpu:
    """A GPU's own state. `dirty_until` is when the last lease's process is gone, None once it is."""

    uuid: str
    index: int
    work: _Work | None = None
    dirty_until: float | None = None
    leases: int = 0
    last_load: Load = IDLE
    energy_millijoules: float = 0.0
    read_at: float | None = None


class SimulatedDriver:
    """One node's simulated GPUs. Given the same calls at the same times, it says the same."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        node: str,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._scenario = scenario.of_node(node)
        self._monotonic = monotonic
        self._wait = wait
        self._began = monotonic()
        self._faults = list(self._scenario.faults)
        self._allocations = Allocations()
        self._xids: dict[str, int | None] = {}
        self._gpus = [
            _Gpu(uuid=_gpu_uuid(self._scenario.seed, node, index), index=index) for index in range(self._scenario.gpus)
        ]

    def read(self, *, processes_of: Set[str] | None = frozenset()) -> Snapshot:
        while self._failing("stall") is not None:
            self._wait(STALL_STEP_S)
        now = self._monotonic()
        gpus = tuple(self._read(gpu, now, asked=processes_of is None or gpu.uuid in processes_of) for gpu in self._gpus)
        return Snapshot(gpus=gpus, driver_version="simulated", sees_processes=True, xids=self._fresh(gpus))

    def _fresh(self, gpus: tuple[GpuSnapshot, ...]) -> tuple[Xid, ...]:
        """The XIDs that are newer than the last reading."""
        newest = {gpu.uuid: gpu.last_xid for gpu in gpus}
        fresh = [
            Xid(gpu=uuid, xid=xid, at=time.time())
            for uuid, xid in newest.items()
            if xid not in (None, self._xids.get(uuid))
        ]
        self._xids = newest
        return tuple(fresh)

    def wait(self, seconds: float) -> bool:
        """What befalls a simulated GPU is seen by reading it."""
        self._wait(seconds)
        return False

    def follow(self, allocations: Allocations) -> None:
        self._allocations = allocations
        now = self._monotonic()
        running = allocations.running(now)
        for gpu in self._gpus:
            held = running.get(gpu.uuid)
            self._stop_if_over(gpu, now)
            if gpu.work is not None and (held is None or held.allocation != gpu.work.allocation):
                self._stop(gpu, now)
            if held is None:
                continue
            stops_at = allocations.monotonic(held.stops_at)
            if gpu.work is None:
                self._start(gpu, held.allocation, now, stops_at)
            else:
                gpu.work.stops_at = stops_at

    def close(self) -> None:
        """Nothing is held open."""

    def fail(self, fault: Fault) -> None:
        """Adds a fault whose `at_s` counts from now."""
        since_start = self._monotonic() - self._began
        self._faults.append(fault.model_copy(update={"at_s": since_start + fault.at_s}))

    def mend(self) -> None:
        """Ends every fault."""
        self._faults.clear()

    def _failing(self, kind: str, gpu: int | None = None) -> Fault | None:
        at = self._monotonic() - self._began
        return next((fault for fault in self._faults if fault.kind == kind and fault.strikes(at, gpu)), None)

    def _start(self, gpu: _Gpu, allocation: str, now: float, stops_at: float) -> None:
        gpu.leases += 1
        gpu.dirty_until = None
        # Not by the allocation's id, which differs from run to run.
        curve = Curve(f"{self._scenario.seed}:{gpu.uuid}:{gpu.leases}")
        gpu.work = _Work(allocation=allocation, began=now, stops_at=stops_at, curve=curve)

    def _stop(self, gpu: _Gpu, at: float) -> None:
        gpu.work = None
        gpu.dirty_until = at + self._scenario.cleanup_s

    def _stop_if_over(self, gpu: _Gpu, now: float) -> None:
        if gpu.work is not None and now >= gpu.work.stops_at:
            self._stop(gpu, gpu.work.stops_at)

    def _read(self, gpu: _Gpu, now: float, *, asked: bool) -> GpuSnapshot:
        self._stop_if_over(gpu, now)
        if gpu.dirty_until is not None and now >= gpu.dirty_until and not self._failing("zombie", gpu.index):
            gpu.dirty_until = None
        load = self._load(gpu, now)
        self._draw(gpu, now, load)
        known = GpuSnapshot(
            uuid=gpu.uuid,
            index=gpu.index,
            product=self._scenario.product,
            memory_total_bytes=self._scenario.memory_gib * GIB,
        )
        if self._failing("lost", gpu.index):
            return without_readings(known, health="unhealthy", reason="the GPU is lost", lost="lost")
        xid = self._xid(gpu)
        return replace(
            known,
            utilization_percent=load.utilization_percent,
            memory_used_bytes=self._memory(load),
            power_milliwatts=self._watts(load) * 1000,
            energy_millijoules=int(gpu.energy_millijoules),
            temperature_celsius=30 + load.utilization_percent * 45 // 100,
            ecc_uncorrected=0,
            last_xid=xid,
            processes=int(gpu.work is not None or gpu.dirty_until is not None) if asked else None,
        )

    def _xid(self, gpu: _Gpu) -> int | None:
        fault = self._failing("xid", gpu.index)
        return fault.xid if fault else None

    def _load(self, gpu: _Gpu, now: float) -> Load:
        if gpu.work is not None:
            return gpu.work.curve.at((now - gpu.work.began) * self._scenario.speed)
        if gpu.dirty_until is not None:
            return Load(utilization_percent=0, memory_ratio=gpu.last_load.memory_ratio)
        return IDLE

    def _memory(self, load: Load) -> int:
        total, floor = self._scenario.memory_gib * GIB, self._scenario.idle_memory_mib * MIB
        return min(total, floor + int(load.memory_ratio * (total - floor)))

    def _watts(self, load: Load) -> int:
        idle, full = self._scenario.idle_watts, self._scenario.full_watts
        return idle + max(0, full - idle) * load.utilization_percent // 100

    def _draw(self, gpu: _Gpu, now: float, load: Load) -> None:
        """Energy since the last reading, at the power that reading showed."""
        if gpu.read_at is not None:
            gpu.energy_millijoules += (now - gpu.read_at) * self._watts(gpu.last_load) * 1000
        gpu.read_at, gpu.last_load = now, load


def _gpu_uuid(seed: int, node: str, index: int) -> str:
    digest = hashlib.sha256(f"{seed}:{node}:{index}".encode()).digest()
    return f"GPU-{uuid.UUID(bytes=digest[:16])}"
