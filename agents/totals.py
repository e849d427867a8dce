"""Running totals per allocation since this agent started: how long it was seen, how busy it was, what it drew.

Totals, not differences: a report lost or sent twice changes nothing. An interval in which the GPU did not answer counts
as neither busy nor idle; nobody saw it. Exact to the sampling interval.
"""

import threading
from collections.abc import Iterable, Set
from dataclasses import dataclass

from agents.snapshot import GpuSnapshot, Sample
from dure.wire import AllocationUsage


@dataclass(slots=True)
class _Total:
    """Nanoseconds and hundredths of them, so that adding a million samples loses nothing."""

    sampled_ns: int = 0
    busy_percent_ns: int = 0
    energy_millijoules: int | None = None

    def usage(self, allocation: str) -> AllocationUsage:
        return AllocationUsage(
            allocation=allocation,
            sampled_ms=self.sampled_ns // 1_000_000,
            busy_ms=self.busy_percent_ns // 100_000_000,
            energy_millijoules=self.energy_millijoules,
        )


class Totals:
    """Added to by the sampler, read and settled by the reporter."""

    def __init__(self, *, longest_gap_s: float) -> None:
        self._longest_gap_s = longest_gap_s
        self._lock = threading.Lock()
        self._totals: dict[str, _Total] = {}
        self._listed: Set[str] = frozenset()

    def add(self, before: Sample, now: Sample) -> None:
        """Credits the time between two samples, if they are close enough to speak for it."""
        if now.at - before.at > self._longest_gap_s:
            return
        earlier = before.gpus()
        running = now.allocations.running(before.at) | now.allocations.running(now.at)
        for gpu in now.snapshot.gpus:
            held = running.get(gpu.uuid)
            if held is None or gpu.uuid not in earlier:
                continue
            begin = max(before.at, now.allocations.monotonic(held.starts_at.timestamp()))
            end = min(now.at, now.allocations.monotonic(held.stops_at.timestamp()))
            self._credit(held.allocation, end - begin, earlier[gpu.uuid], gpu)

    def _credit(self, allocation: str, seconds: float, earlier: GpuSnapshot, gpu: GpuSnapshot) -> None:
        with self._lock:
            if allocation not in self._listed or seconds <= 0:
                return
            total = self._totals.setdefault(allocation, _Total())
            if gpu.utilization_percent is not None:
                ns = round(seconds * 1e9)
                total.sampled_ns += ns
                total.busy_percent_ns += ns * gpu.utilization_percent
            drawn = _drawn(earlier, gpu)
            if drawn is not None:
                total.energy_millijoules = (total.energy_millijoules or 0) + drawn

    def usage(self) -> list[AllocationUsage]:
        with self._lock:
            return [total.usage(allocation) for allocation, total in sorted(self._totals.items())]

    def settle(self, acknowledged: Iterable[AllocationUsage], *, listed: Set[str]) -> None:
        """Forgets allocations that the allocator no longer lists, once it has their final totals.

        From then on nothing is added to them, not even by a sample that began before the answer came.
        """
        with self._lock:
            self._listed = listed
            for usage in acknowledged:
                total = self._totals.get(usage.allocation)
                if total is not None and usage.allocation not in listed and total.usage(usage.allocation) == usage:
                    del self._totals[usage.allocation]


def _drawn(earlier: GpuSnapshot, gpu: GpuSnapshot) -> int | None:
    """Millijoules between two readings; None when unknown, or when the counter began anew with the driver."""
    if earlier.energy_millijoules is None or gpu.energy_millijoules is None:
        return None
    drawn = gpu.energy_millijoules - earlier.energy_millijoules
    return drawn if drawn >= 0 else None
