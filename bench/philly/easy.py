"""EASY backfilling on nodes: first come first served, and whoever does not delay the head of the queue may go ahead of it.

A gang lies on the fullest nodes that hold it. For the head of the queue nodes are chosen on which it would start if nothing
else came, those that are least free until then; a job goes ahead where it has ended by then, or leaves those nodes what the
head needs of them. Who has reached its quota is passed over and holds nobody up. It promises nothing.
"""

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.gangs import GPUS_PER_NODE
from bench.philly.shapes import shape
from bench.philly.trace import CompanyJob
from bench.replay.easy import played

Free = NDArray[np.int64]
Nodes = NDArray[np.intp]


def schedule(jobs: Sequence[CompanyJob], *, gpus: int, quota: int, gap_s: int) -> list[int]:
    """When each job starts; jobs come by when they were submitted. GPUs are free again `gap_s` after each end."""
    return played(jobs, _Cluster(jobs, gpus, quota, gap_s))


class _Cluster:
    def __init__(self, jobs: Sequence[CompanyJob], gpus: int, quota: int, gap_s: int) -> None:
        self.jobs, self.gap_s = jobs, gap_s
        # Who may hold all GPUs waits for others alone, and then holds up those behind.
        self.quota = quota if quota < gpus else sum(job.processors for job in jobs)
        self.shapes = [shape(job.processors) for job in jobs]
        self.free: Free = np.full(gpus // GPUS_PER_NODE, GPUS_PER_NODE, np.int64)
        self.held = Counter[str]()
        self.queue: list[int] = []
        self.starts = [0] * len(jobs)
        self._ends: list[tuple[int, int]] = []
        """When quota, and `_back` when GPUs, come back."""
        self._back: list[tuple[int, int, Nodes]] = []

    def next_end(self) -> int | None:
        times = [line[0][0] for line in (self._ends, self._back) if line]
        return min(times, default=None)

    def end(self, now: int) -> None:
        """Frees what can be had again by now."""
        while self._ends and self._ends[0][0] <= now:
            job = self.jobs[heapq.heappop(self._ends)[1]]
            self.held[job.company] -= job.processors
        while self._back and self._back[0][0] <= now:
            _, job, nodes = heapq.heappop(self._back)
            self.free[nodes] += self.shapes[job].gpus_per_node

    def start(self, now: int) -> None:
        """Starts whoever may go, in order; behind the first that finds no room only who does not delay it."""
        head: _Head | None = None
        left: list[int] = []
        for job in self.queue:
            if self._over_quota(job) or not (self._goes(job, now) if head is None else head.lets(job, now)):
                if head is None and not self._over_quota(job):
                    head = _Head(self, job)
                left.append(job)
        self.queue = left

    def run(self, job: int, nodes: Nodes, now: int) -> None:
        self.free[nodes] -= self.shapes[job].gpus_per_node
        self.held[self.jobs[job].company] += self.jobs[job].processors
        self.starts[job] = now
        end = now + self.jobs[job].run_s
        heapq.heappush(self._ends, (end, job))
        heapq.heappush(self._back, (end + self.gap_s, job, nodes))

    def coming_back(self) -> Iterator[tuple[int, int, Nodes]]:
        """What runs, by when its GPUs can be had again."""
        return iter(sorted(self._back, key=lambda one: one[:2]))

    def _goes(self, job: int, now: int) -> bool:
        nodes = chosen(self.free, self.shapes[job].nodes, self.shapes[job].gpus_per_node)
        if nodes is None:
            return False
        self.run(job, nodes, now)
        return True

    def _over_quota(self, job: int) -> bool:
        return self.held[self.jobs[job].company] + self.jobs[job].processors > self.quota


class _Head:
    """The first of the queue that finds no room: when and where it will, and what is left beside it then."""

    def __init__(self, cluster: _Cluster, job: int) -> None:
        self._cluster = cluster
        self._failed: set[tuple[int, int, bool]] = set()
        wanted, spare = cluster.shapes[job], cluster.free.copy()
        nodes, coming = None, list(cluster.coming_back())
        for k, (at, ending, where) in enumerate(coming):
            spare[where] += cluster.shapes[ending].gpus_per_node
            if k + 1 < len(coming) and coming[k + 1][0] == at:
                continue
            nodes = chosen(spare, wanted.nodes, wanted.gpus_per_node, by=cluster.free)
            if nodes is not None:
                spare[nodes] -= wanted.gpus_per_node
                self._at, self._spare = at, spare
                return
        raise ValueError(f"{wanted} are more than there are")

    def lets(self, job: int, now: int) -> bool:
        """Starts the job if that delays the head in nothing. In one turn room only shrinks, so a shape fails once."""
        wanted = self._cluster.shapes[job]
        in_time = now + self._cluster.jobs[job].run_s + self._cluster.gap_s <= self._at
        kind = (wanted.nodes, wanted.gpus_per_node, in_time)
        if kind in self._failed:
            return False
        free = self._cluster.free
        nodes = chosen(free if in_time else np.minimum(free, self._spare), wanted.nodes, wanted.gpus_per_node)
        if nodes is None:
            self._failed.add(kind)
            return False
        if not in_time:
            self._spare[nodes] -= wanted.gpus_per_node
        self._cluster.run(job, nodes, now)
        return True


def chosen(free: Free, nodes: int, gpus_per_node: int, by: Free | None = None) -> Nodes | None:
    """The fullest nodes that have so many GPUs free each, the first among equals; None where there are too few.

    Where `by` is given, those with the least of that.
    """
    there = np.flatnonzero(free >= gpus_per_node)
    if there.size < nodes:
        return None
    return there[np.argsort((free if by is None else by)[there], kind="stable")[:nodes]]
