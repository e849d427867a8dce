"""Running totals per allocation and day since this agent started: how long it was seen, how busy it was, what it drew.

Totals, not differences: a report lost or sent twice changes nothing. An interval in which the GPU did not answer counts
as neither busy nor idle; nobody saw it. Exact to the sampling interval. Days are kept apart, so that what was seen in an
outage is told of its own day, however late.
"""

import threading
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from agents.allocations import Allocations
from agents.snapshot import GpuSnapshot, Sample

MIB = 1 << 20
SETTLES_S = 60
"""A day's totals are kept so long after it at least: a sample that began in it may still be added."""

Key = tuple[str, int]
"""An allocation, and when the day began, by the allocator's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What was seen of one allocation on one day since this agent process started; `day` is when it began, in the allocator's Unix
    seconds.
    """

    allocation: str
    day: int
    sampled_ms: int = 0
    busy_ms: int = 0
    energy_millijoules: int | None = None
    memory_ms: int = 0
    memory_mebibyte_s: int = 0

    @property
    def key(self) -> Key:
        return self.allocation, self.day


@dataclass(slots=True)
class _Total:
    """Nanoseconds, and hundredths or bytes of them, so that adding a million samples loses nothing."""

    sampled_ns: int = 0
    busy_percent_ns: int = 0
    energy_millijoules: int | None = None
    memory_ns: int = 0
    memory_byte_ns: int = 0

    def usage(self, key: Key) -> Use:
        allocation, day = key
        return Use(
            allocation=allocation,
            day=day,
            sampled_ms=self.sampled_ns // 1_000_000,
            busy_ms=self.busy_percent_ns // 100_000_000,
            energy_millijoules=self.energy_millijoules,
            memory_ms=self.memory_ns // 1_000_000,
            memory_mebibyte_s=self.memory_byte_ns // (MIB * 1_000_000_000),
        )


class Totals:
    """Added to by the sampler, read and settled by the reporter."""

    def __init__(self, *, longest_gap_s: float) -> None:
        self._longest_gap_s = longest_gap_s
        self._lock = threading.Lock()
        self._totals: dict[Key, _Total] = {}
        self._listed: Set[str] = frozenset()
        self._over = 0
        """Days that began before then are settled."""

    def add(self, before: Sample, now: Sample) -> None:
        """Credits the time between two samples, if they are close enough to speak for it."""
        if now.at - before.at > self._longest_gap_s:
            return
        earlier = before.gpus()
        known = now.allocations
        running = known.running(before.at) | known.running(now.at)
        for gpu in now.snapshot.gpus:
            held = running.get(gpu.uuid)
            if held is None or gpu.uuid not in earlier:
                continue
            begin = max(before.at, known.monotonic(held.starts_at))
            end = min(now.at, known.monotonic(held.stops_at))
            drawn = _drawn(earlier[gpu.uuid], gpu)
            for day, ns, part in _by_day(known, begin, end, drawn):
                self._credit((held.allocation, day), ns, gpu, part)

    def _credit(self, key: Key, ns: int, gpu: GpuSnapshot, drawn: int | None) -> None:
        with self._lock:
            if key[0] not in self._listed or ns <= 0 or key[1] < self._over:
                return
            total = self._totals.setdefault(key, _Total())
            if gpu.utilization_percent is not None:
                total.sampled_ns += ns
                total.busy_percent_ns += ns * gpu.utilization_percent
            if gpu.memory_used_bytes is not None:
                total.memory_ns += ns
                total.memory_byte_ns += ns * gpu.memory_used_bytes
            if drawn is not None:
                total.energy_millijoules = (total.energy_millijoules or 0) + drawn

    def usage(self) -> list[Use]:
        """The oldest days first."""
        with self._lock:
            return [self._totals[key].usage(key) for key in sorted(self._totals, key=lambda key: (key[1], key[0]))]

    def settle(self, acknowledged: Iterable[Use], *, listed: Set[str], over: int = 0) -> None:
        """Forgets allocations that the allocator no longer lists, and days that began before `over` and have ended, once it
        has their final totals.

        From then on nothing is added to them, not even by a sample that began before the answer came.
        """
        with self._lock:
            self._listed, self._over = listed, over
            for usage in acknowledged:
                total = self._totals.get(usage.key)
                done = usage.allocation not in listed or usage.day < over
                if total is not None and done and total.usage(usage.key) == usage:
                    del self._totals[usage.key]


def _by_day(known: Allocations, begin: float, end: float, drawn: int | None) -> Iterator[tuple[int, int, int | None]]:
    """The time from `begin` to `end`, monotonic seconds, in days: when each began, its nanoseconds, and what it drew."""
    if end <= begin:
        return
    days = known.days
    day = days.begin(known.server_time(begin))
    whole, left = end - begin, drawn
    while (cut := known.monotonic(days.end(day))) < end:
        part = None if left is None or drawn is None else min(left, round(drawn * max(0.0, cut - begin) / whole))
        yield day, round((cut - begin) * 1e9), part
        left = None if left is None or part is None else left - part
        day, begin = days.end(day), max(begin, cut)
    yield day, round((end - begin) * 1e9), left


def _drawn(earlier: GpuSnapshot, gpu: GpuSnapshot) -> int | None:
    """Millijoules between two readings; None when unknown, or when the counter began anew with the driver."""
    if earlier.energy_millijoules is None or gpu.energy_millijoules is None:
        return None
    drawn = gpu.energy_millijoules - earlier.energy_millijoules
    return drawn if drawn >= 0 else None
