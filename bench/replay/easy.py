"""EASY backfilling, the schedule that every other is measured by: first come first served, and whoever does not delay the
head of the queue may go ahead of it (Lifka, "The ANL/IBM SP scheduling system", 1995).

Jobs are counted in processors on one machine. It promises nothing.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Protocol

from bench.replay.swf import Job


class Backfilled(Protocol):
    """What jobs queue for, known by their places: `starts` has when each of them started."""

    queue: list[int]
    starts: list[int]

    def next_end(self) -> int | None: ...
    def end(self, now: int) -> None: ...
    def start(self, now: int) -> None: ...


def schedule(jobs: Sequence[Job], processors: int, boxes_s: Sequence[int]) -> list[int]:
    """When each job starts, if it is believed to run as long as its box; jobs come by when they were submitted."""
    return played(jobs, _Machine(jobs, processors, boxes_s))


def played(jobs: Sequence[Job], machine: Backfilled) -> list[int]:
    """When each job starts, from one end or submission to the next."""
    come = 0
    while come < len(jobs) or machine.queue:
        now = machine.next_end()
        if come < len(jobs) and (now is None or jobs[come].submit <= now):
            now = jobs[come].submit
        assert now is not None, "what waits is too large"
        machine.end(now)
        while come < len(jobs) and jobs[come].submit <= now:
            machine.queue.append(come)
            come += 1
        machine.start(now)
    return machine.starts


class _Machine:
    def __init__(self, jobs: Sequence[Job], processors: int, boxes_s: Sequence[int]) -> None:
        self.jobs, self.boxes_s = jobs, boxes_s
        self.free = processors
        self.queue: list[int] = []
        self.starts = [0] * len(jobs)
        self._ends: list[tuple[int, int]] = []
        self._believed: list[tuple[int, int]] = []

    def next_end(self) -> int | None:
        return self._ends[0][0] if self._ends else None

    def end(self, now: int) -> None:
        """Frees what has ended by now."""
        while self._ends and self._ends[0][0] <= now:
            _, job = heapq.heappop(self._ends)
            self.free += self.jobs[job].processors
            believed = (self.starts[job] + self.boxes_s[job], job)
            del self._believed[bisect_left(self._believed, believed)]

    def start(self, now: int) -> None:
        """Starts the first of the queue while they fit, then whoever delays the next of them in nothing."""
        first = 0
        while first < len(self.queue) and self.jobs[self.queue[first]].processors <= self.free:
            self._run(self.queue[first], now)
            first += 1
        del self.queue[:first]
        if len(self.queue) > 1 and self.free > 0:
            self._backfill(now)

    def _backfill(self, now: int) -> None:
        shadow, spare = self._shadow(self.jobs[self.queue[0]].processors)
        left = self.queue[:1]
        for job in self.queue[1:]:
            wanted = self.jobs[job].processors
            in_time = now + self.boxes_s[job] <= shadow
            if wanted > self.free or not (in_time or wanted <= spare):
                left.append(job)
                continue
            self._run(job, now)
            if not in_time:
                spare -= wanted
        self.queue = left

    def _shadow(self, wanted: int) -> tuple[int, int]:
        """When the head of the queue can start at the latest, and what is left beside it then."""
        free = self.free
        for k, (end, job) in enumerate(self._believed):
            free += self.jobs[job].processors
            last = k + 1 == len(self._believed) or self._believed[k + 1][0] > end
            if free >= wanted and last:
                return end, free - wanted
        raise ValueError(f"{wanted} processors are more than there are")

    def _run(self, job: int, now: int) -> None:
        self.free -= self.jobs[job].processors
        self.starts[job] = now
        heapq.heappush(self._ends, (now + self.jobs[job].run_s, job))
        insort(self._believed, (now + self.boxes_s[job], job))
