"""What can be leased, a GPU or an instance of one, and what runs on it: the work of a lease, and what it leaves behind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.scenario import curves
from agents.scenario.curves import IDLE, Curve, Flat, Load
from agents.scenario.fleet import Scenario
from agents.simulated import identity
from agents.snapshot import Process

MIB = 1 << 20
NAME = "python3"


@dataclass(slots=True)
class _Work:
    """A lease's process, from when the agent learnt of it; `since` is that by the node's own clock."""

    allocation: str
    began: float
    since: float
    stops_at: float
    curve: Curve | Flat


@dataclass(slots=True)
class Unit:
    """`known` is what it is, `at_rest` what it reads while nothing happens, `idle_bytes` its memory in use then.

    `dirty_until` is when the last lease's process is gone, None once it is. `shown` is what it read when it was `shown_busy`.
    """

    uuid: str
    known: Mapping[str, Any]
    at_rest: Mapping[str, Any]
    memory_bytes: int
    idle_bytes: int
    leases: int = 0
    dirty_until: float | None = None
    shown_busy: int = -1
    shown: dict[str, Any] = field(default_factory=dict, repr=False)
    _work: _Work | None = field(default=None, repr=False)
    _process: Process | None = None
    _left: Load = IDLE

    @property
    def whole(self) -> bool:
        return "parent" not in self.known

    def start(self, allocation: str, scenario: Scenario, *, now: float, since: float, stops_at: float) -> None:
        """The lease's work begins, or goes on until another time if it is there already."""
        if self._work is not None and self._work.allocation == allocation:
            self._work.stops_at = stops_at
            return
        self.stop(now, scenario.cleanup_s)
        self.leases += 1
        self.dirty_until, self._left = None, IDLE
        # Not by the allocation's id, which differs from run to run.
        curve = curves.of(scenario.load, f"{scenario.seed}:{self.uuid}:{self.leases}")
        self._work = _Work(allocation=allocation, began=now, since=since, stops_at=stops_at, curve=curve)

    def stop(self, at: float, cleanup_s: float) -> None:
        if self._work is not None:
            self.dirty_until = min(at, self._work.stops_at) + cleanup_s
            self._process = self._own(self._work, self._left)
            self._work = None

    def load(self, now: float, scenario: Scenario, *, zombie: bool) -> Load:
        """What it does now. A `zombie` is a process that does not end."""
        work = self._work
        if work is not None:
            if now < work.stops_at:
                self._left = work.curve.at((now - work.began) * scenario.speed)
                return self._left
            self.stop(now, scenario.cleanup_s)
        if self.dirty_until is None:
            return IDLE
        if now >= self.dirty_until and not zombie:
            self.dirty_until = self._process = None
            return IDLE
        return Load(utilization_percent=0, memory_ratio=self._left.memory_ratio)

    def memory(self, load: Load) -> int:
        return min(self.memory_bytes, self.idle_bytes + int(load.memory_ratio * (self.memory_bytes - self.idle_bytes)))

    def processes(self, load: Load) -> tuple[Process, ...]:
        """The lease's own, if it is there."""
        process = self._process if self._work is None else self._own(self._work, load)
        return () if process is None else (process,)

    def _own(self, work: _Work, load: Load) -> Process:
        return Process(
            pid=identity.pid(self.uuid, self.leases),
            name=NAME,
            used_memory_bytes=max(0, self.memory(load) - self.idle_bytes),
            started_at=work.since,
            cgroup=f"/dure.slice/{work.allocation}.scope",
        )
