"""Drives the real core through a log: its decisions, its re-plan and its states of a lease, with a heap of events as the clock.

Each job asks at its submit time and releases when its true run time is over. At one instant what ends comes first, then
the asks in their order, then what was moved, then the starts.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from bench.replay.metrics import Outcome
from bench.replay.swf import Job
from scheduler.core.book import Book
from scheduler.core.decide import decide
from scheduler.core.lease import advance
from scheduler.core.model import (
    Ask,
    Cause,
    CompanyId,
    Gang,
    Instant,
    Lease,
    LeaseId,
    Node,
    NodeId,
    Policy,
    PoolId,
    Promise,
    State,
)
from scheduler.core.replan import replan

COMPANY, POOL, NODE = CompanyId("all"), PoolId("log"), NodeId("machine")
FOR_EVER_S = 1 << 36
FORGET_EVERY = 64
"""Events between two times at which the past is forgotten; it changes no decision."""


class Event(IntEnum):
    """In the order in which they are dealt with at one instant."""

    END = 0
    ASK = 1
    START = 2


@dataclass(slots=True)
class Drive:
    """One replay on its way; `run` answers what became of each job, in the order of the jobs."""

    jobs: Sequence[Job]
    boxes_s: Sequence[int]
    book: Book
    decisions: int = 0
    _heap: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    _names: list[LeaseId] = field(default_factory=list[LeaseId])
    _places: dict[LeaseId, int] = field(default_factory=dict[LeaseId, int])
    _first: dict[int, int] = field(default_factory=dict[int, int])
    _outcomes: dict[int, Outcome] = field(default_factory=dict[int, Outcome])

    @classmethod
    def of(cls, jobs: Sequence[Job], boxes_s: Sequence[int], processors: int, policy: Policy) -> "Drive":
        """One node with so many processors, no gap, one company without limits."""
        node = Node(id=NODE, capacity=processors, nominal=processors)
        return cls(jobs, boxes_s, Book.of(policy, [node], quotas={COMPANY: processors}))

    def run(self) -> list[Outcome]:
        width = len(str(len(self.jobs)))
        self._names = [LeaseId(f"{place:0{width}}") for place in range(len(self.jobs))]
        self._places = {name: place for place, name in enumerate(self._names)}
        self._heap = [(job.submit, Event.ASK, place) for place, job in enumerate(self.jobs)]
        heapq.heapify(self._heap)
        turns = 0
        while self._heap:
            self._turn(Instant(self._heap[0][0]))
            turns += 1
            if turns % FORGET_EVERY == 0 and self._heap:
                self.book = self.book.since(self._heap[0][0])
        return [self._outcomes[place] for place in range(len(self.jobs))]

    def _turn(self, now: Instant) -> None:
        ends, asks, starts = self._due(now, Event.END), self._due(now, Event.ASK), self._due(now, Event.START)
        if not ends and not asks and not any(self._starts_at(place, now) for place in starts):
            return  # what was to start now was moved earlier: nothing happens
        self._end(ends, now)
        if asks:
            self._ask(asks, now)
        else:
            self._replan(now)
        self._start([*starts, *self._due(now, Event.START)], now)

    def _due(self, now: Instant, kind: Event) -> list[int]:
        found: list[int] = []
        while self._heap and self._heap[0][:2] == (now, kind):
            found.append(heapq.heappop(self._heap)[2])
        return found

    def _starts_at(self, place: int, now: Instant) -> bool:
        lease = self.book.leases.get(self._names[place])
        return lease is not None and lease.state is State.SCHEDULED and lease.starts_at == now

    def _end(self, places: Sequence[int], now: Instant) -> None:
        ended: list[Lease] = []
        for place in places:
            lease = self.book.leases[self._names[place]]
            if lease.state is State.ACTIVE:
                cause = Cause.EXPIRED if now >= (lease.stops_at or 0) else Cause.RELEASED
                lease = advance(lease, State.ENDING, cause, now)
            ended.append(advance(lease, State.ENDED, Cause.EXPIRED, now))
        if ended:
            self.book = self.book.put_leases(ended)

    def _ask(self, places: Sequence[int], now: Instant) -> None:
        asks = [(self._names[place], self._asked(place)) for place in places]
        decided = decide(self.book, asks, now)
        self.book = decided.book
        self.decisions += len(asks)
        for place, verdict in zip(places, decided.verdicts, strict=True):
            assert isinstance(verdict, Promise), f"job {self.jobs[place].label} got {verdict.code}"
            self._first[place] = verdict.promised
            heapq.heappush(self._heap, (verdict.start, Event.START, place))
        self._moved(after for _, after in decided.moves)

    def _replan(self, now: Instant) -> None:
        plan = replan(self.book, (), now)
        self.book = plan.book
        self._moved(move.after for move in plan.moves)

    def _moved(self, leases: Iterable[Lease]) -> None:
        """Their new starts are events; what the old ones were is seen when they come."""
        for lease in leases:
            heapq.heappush(self._heap, (lease.starts_at or 0, Event.START, self._places[lease.id]))

    def _start(self, places: Sequence[int], now: Instant) -> None:
        started: list[Lease] = []
        for place in dict.fromkeys(places):
            if not self._starts_at(place, now):
                continue
            lease = self.book.leases[self._names[place]]
            started.append(advance(lease, State.ACTIVE, Cause.STARTED, now))
            self._outcomes[place] = self._outcome(place, lease)
            heapq.heappush(self._heap, (now + self.jobs[place].run_s, Event.END, place))
        if started:
            self.book = self.book.put_leases(started)

    def _asked(self, place: int) -> Ask:
        job = self.jobs[place]
        return Ask(
            company=COMPANY,
            pool=POOL,
            shape=Gang(nodes=1, gpus_per_node=job.processors),
            duration_s=self.boxes_s[place],
            notice_s=0,
        )

    def _outcome(self, place: int, lease: Lease) -> Outcome:
        assert lease.promised_start is not None
        assert lease.starts_at is not None
        return Outcome(
            job=self.jobs[place],
            promised=lease.promised_start,
            first_promised=self._first[place],
            start=lease.starts_at,
        )
