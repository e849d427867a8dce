"""Drives the real core through the asks: nodes of 8 GPUs, gangs on them, a quota for each company, a gap after a lease."""

import heapq
from collections.abc import Sequence
from typing import Self

from bench.gangs import GPUS_PER_NODE
from bench.philly.shapes import shape
from bench.philly.trace import CompanyJob
from bench.replay.drive import POOL, Drive, Event
from scheduler.core.book import Book
from scheduler.core.model import Ask, CompanyId, Instant, Node, NodeId, Policy, State


class NodesDrive(Drive):
    """A replay's drive with companies and nodes."""

    __slots__ = ()

    @classmethod
    def on(cls, jobs: Sequence[CompanyJob], *, gpus: int, quota: int, policy: Policy) -> Self:
        """On so many GPUs; a company may hold `quota` of them at once."""
        nodes = [
            Node(id=NodeId(f"n{number:05}"), capacity=GPUS_PER_NODE, nominal=GPUS_PER_NODE)
            for number in range(gpus // GPUS_PER_NODE)
        ]
        quotas = {CompanyId(job.company): quota for job in jobs}
        return cls(jobs, [job.run_s for job in jobs], Book.of(policy, nodes, quotas=quotas))

    def _end(self, places: Sequence[int], now: Instant) -> None:
        """A job's end comes twice where there is a gap: as it stops, and when its GPUs can be had again."""
        ending = [place for place in places if self._runs(place)]
        super()._end(ending, now)
        if gap_s := self.book.policy.gap_s:
            for place in ending:
                heapq.heappush(self._heap, (now + gap_s, Event.END, place))

    def _runs(self, place: int) -> bool:
        lease = self.book.leases.get(self._names[place])
        return lease is not None and lease.state is not State.ENDED

    def _asked(self, place: int) -> Ask:
        job = self.jobs[place]
        assert isinstance(job, CompanyJob)
        return Ask(
            company=CompanyId(job.company),
            pool=POOL,
            shape=shape(job.processors),
            duration_s=self.boxes_s[place],
            notice_s=0,
        )
