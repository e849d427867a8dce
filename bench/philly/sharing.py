"""Drives the core through the asks where companies have shares: what is above a share waits in the queue for its turn.

Use is counted as the service's loop counts it, here at every event: between two of them nothing changes.
"""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.philly.drive import NodesDrive
from bench.replay.drive import Event
from scheduler.core.counting import Wanted, counted, wanted
from scheduler.core.decide import decide
from scheduler.core.model import Ask, CompanyId, Instant, LeaseId, Promise, State
from scheduler.core.replan import replan


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """From `at` on each company ran so many GPUs, and had asked for so many more that had not started."""

    at: int
    runs: Mapping[CompanyId, int]
    waits: Mapping[CompanyId, int]


@dataclass
class SharingDrive(NodesDrive):
    """`moments` are what became of it, an entry an event."""

    moments: list[Moment] = field(default_factory=list[Moment])
    _queue: dict[LeaseId, tuple[LeaseId, Ask, Instant]] = field(
        default_factory=dict[LeaseId, tuple[LeaseId, Ask, Instant]]
    )
    _wanted: Wanted = field(default_factory=lambda: Wanted(gpus={}, pool_gpus=0))
    _running: Counter[CompanyId] = field(default_factory=Counter[CompanyId])
    _counted: int = 0

    def _turn(self, now: Instant) -> None:
        passed_s, self._counted = now - self._counted, now
        used = {company: gpus * passed_s for company, gpus in self._running.items()}
        self.book = self.book.changed([counted(self.book, used, self._wanted, now)])
        super()._turn(now)
        self._look(now)

    def _look(self, now: Instant) -> None:
        """What runs and what is wanted until the next event."""
        self._running = Counter[CompanyId]()
        for lease in self.book.leases.values():
            if lease.state is State.ACTIVE:
                self._running[lease.company] += lease.gpus
        self._wanted = wanted(self.book, list(self._queue.values()), now)
        waits = {company: gpus - self._running[company] for company, gpus in self._wanted.gpus.items()}
        self.moments.append(Moment(at=now, runs=dict(self._running), waits=waits))

    def _ask(self, places: Sequence[int], now: Instant) -> None:
        asks = [(self._names[place], self._asked(place)) for place in places]
        decided = decide(self.book, asks, now)
        self.book = decided.book
        self.decisions += len(asks)
        for (lease_id, ask), verdict in zip(asks, decided.verdicts, strict=True):
            if isinstance(verdict, Promise):
                self._promised(lease_id, verdict)
            else:
                self._queue[lease_id] = (lease_id, ask, now)
        self._moved(after for _, after in decided.moves)
        self._replan(now)

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
