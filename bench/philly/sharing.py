"""Drives the core through the asks where companies have shares: what is above a share waits in the queue for its turn.

Use is counted as the service's loop counts it, here at every event: between two of them nothing changes.
"""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from bench.philly.drive import NodesDrive
from bench.philly.trace import CompanyJob
from bench.replay.drive import Event
from scheduler.core.counting import Wanted, counted, wanted
from scheduler.core.decide import decide
from scheduler.core.model import Ask, CompanyId, Instant, LeaseId, Policy, Promise, State
from scheduler.core.replan import replan
from scheduler.core.shares import Share


def skewed(companies: Sequence[str], low: int, high: int) -> dict[str, int]:
    """Shares from `low` to `high` in equal steps, in the order of the companies, as the smallest whole numbers of that sort."""
    steps = max(1, len(companies) - 1)
    return {company: low * steps + (high - low) * k for k, company in enumerate(companies)}


@dataclass
class SharingDrive(NodesDrive):
    """One replay on its way; `run` answers what became of each job, as without shares."""

    _queue: dict[LeaseId, tuple[LeaseId, Ask, Instant]] = field(
        default_factory=dict[LeaseId, tuple[LeaseId, Ask, Instant]]
    )
    _wanted: Wanted = field(default_factory=lambda: Wanted(gpus={}, pool_gpus=0))
    _running: Counter[CompanyId] = field(default_factory=Counter[CompanyId])
    _counted: int = 0

    @classmethod
    def among(
        cls, jobs: Sequence[CompanyJob], *, gpus: int, quota: int, policy: Policy, shares: Mapping[str, int]
    ) -> Self:
        """On so many GPUs, by these shares; a company may hold `quota` of them at once."""
        drive = cls.on(jobs, gpus=gpus, quota=quota, policy=policy)
        said = [Share(company=CompanyId(company), shares=count) for company, count in shares.items()]
        drive.book = drive.book.changed(said)
        return drive

    def _turn(self, now: Instant) -> None:
        passed_s, self._counted = now - self._counted, now
        used = {company: gpus * passed_s for company, gpus in self._running.items()}
        self.book = self.book.changed([counted(self.book, used, self._wanted, now)])
        super()._turn(now)
        self._running = Counter[CompanyId]()
        for lease in self.book.leases.values():
            if lease.state is State.ACTIVE:
                self._running[lease.company] += lease.gpus
        self._wanted = wanted(self.book, list(self._queue.values()), now)

    def _ask(self, places: Sequence[int], now: Instant) -> None:
        asks = [(self._names[place], self._asked(place)) for place in places]
        decided = decide(self.book, asks, now)
        self.book = decided.book
        self.decisions += len(asks)
        for (lease_id, ask), verdict in zip(asks, decided.verdicts, strict=True):
            if isinstance(verdict, Promise):
                self._promised(lease_id, verdict)
            else:
                self._queue[lease_id] = (lease_id, self._waits(ask), now)
        self._moved(after for _, after in decided.moves)
        self._replan(now)

    def _waits(self, ask: Ask) -> Ask:
        """What its company waits for, where it is not promised at once."""
        return ask

    def _replan(self, now: Instant) -> None:
        plan = replan(self.book, list(self._queue.values()), now)
        self.book = plan.book
        self._moved(move.after for move in plan.moves)
        for lease_id, promise in plan.pulled.items():
            del self._queue[lease_id]
            self.decisions += 1
            self._promised(lease_id, promise)

    def _promised(self, lease_id: LeaseId, promise: Promise) -> None:
        place = self._places[lease_id]
        self._first[place] = promise.promised
        heapq.heappush(self._heap, (promise.start, Event.START, place))
