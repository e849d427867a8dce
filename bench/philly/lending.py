"""Drives the core through the asks by shares, where companies take spot too: what is beyond a share is lent, and preempted.

A company asks for each job as reserved, and for spot where that would wait: at once if GPUs are idle, else it waits for
such. A job that is preempted is saved within its notice, and asked for again at once for what is left of it.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from bench.philly.ideal import Stretch
from bench.philly.sharing import SharingDrive
from bench.replay.drive import Event
from bench.replay.metrics import Outcome
from scheduler.core.decide import decide
from scheduler.core.lease import advance
from scheduler.core.model import Ask, Cause, Instant, Lease, LeaseId, Promise, State
from scheduler.core.spot import instead


@dataclass
class LendingDrive(SharingDrive):
    """One replay on its way; `stretches` has every time that a job ran, in the order of their ends."""

    notice_s: int = 0
    stretches: list[Stretch] = field(default_factory=list[Stretch])
    preempted: int = 0
    preempted_gpu_s: int = 0
    """What preempted leases had run: lost, if none of it had been saved."""
    spot_gpu_s: int = 0
    late: list[int] = field(default_factory=list[int])
    """By how much leases started later than they were first promised; only those that did."""
    _asked_at: dict[int, int] = field(default_factory=dict[int, int])
    _again: dict[int, int] = field(default_factory=dict[int, int])
    """How often a job was asked for again."""

    def _asked(self, place: int) -> Ask:
        return replace(super()._asked(place), notice_s=self.notice_s, or_spot=True)

    def _ask(self, places: Sequence[int], now: Instant) -> None:
        for place in places:
            self._asked_at[place] = now
        asks = [(self._names[place], self._asked(place)) for place in places]
        decided = decide(self.book, asks, now)
        self.book = decided.book
        self.decisions += len(asks)
        for (lease_id, ask), verdict in zip(asks, decided.verdicts, strict=True):
            if isinstance(verdict, Promise):
                self._promised(lease_id, verdict)
            else:
                self._queue[lease_id] = (lease_id, instead(ask), now)
        self._moved(after for _, after in decided.moves)
        self._replan(now)

    def _moved(self, leases: Iterable[Lease]) -> None:
        """What is cut ends sooner; what goes on is seen at the end that it had."""
        moved = list(leases)
        super()._moved(lease for lease in moved if lease.state is State.SCHEDULED)
        for lease in moved:
            if lease.is_spot and lease.state is State.ACTIVE:
                heapq.heappush(self._heap, (self._ends_at(lease), Event.END, self._places[lease.id]))

    def _ends_at(self, lease: Lease) -> int:
        place = self._places[lease.id]
        return min((lease.starts_at or 0) + self.boxes_s[place], lease.stops_at or 0)

    def _end(self, places: Sequence[int], now: Instant) -> None:
        """Some were to end now and go on."""
        due: list[int] = []
        for place in dict.fromkeys(places):
            lease = self.book.leases.get(self._names[place])
            if lease is None or lease.state is not State.ACTIVE:
                continue
            if self._ends_at(lease) > now:
                heapq.heappush(self._heap, (self._ends_at(lease), Event.END, place))
                continue
            due.append(place)
        ended = [self.book.leases[self._names[place]] for place in due]
        self.book = self.book.put_leases(
            advance(advance(lease, State.ENDING, Cause.EXPIRED, now), State.ENDED, Cause.EXPIRED, now) for lease in ended
        )
        for place, lease in zip(due, ended, strict=True):
            self._ran(place, lease, now)

    def _ran(self, place: int, lease: Lease, now: Instant) -> None:
        start = lease.starts_at or 0
        self.stretches.append(
            Stretch(company=lease.company, gpus=lease.gpus, asked=self._asked_at[place], start=start, end=now)
        )
        self.spot_gpu_s += lease.gpus * (now - start) if lease.is_spot else 0
        left_s = self.boxes_s[place] - (now - start)
        if not left_s:
            self._outcomes[place] = Outcome(
                job=self.jobs[place], promised=0, first_promised=0, start=now - self.jobs[place].run_s
            )
            return
        self.preempted += 1
        self.preempted_gpu_s += lease.gpus * (now - start)
        self._ask_again(place, left_s, now)

    def _ask_again(self, place: int, left_s: int, now: Instant) -> None:
        self.boxes_s[place] = left_s
        self._again[place] = self._again.get(place, 0) + 1
        again = LeaseId(f"{self._names[place].partition('.')[0]}.{self._again[place]}")
        self._names[place] = again
        self._places[again] = place
        heapq.heappush(self._heap, (now, Event.ASK, place))

    def _start(self, places: Sequence[int], now: Instant) -> None:
        started: list[Lease] = []
        for place in dict.fromkeys(places):
            if self._starts_at(place, now):
                lease = advance(self.book.leases[self._names[place]], State.ACTIVE, Cause.STARTED, now)
                started.append(lease)
                heapq.heappush(self._heap, (self._ends_at(lease), Event.END, place))
                if now > self._first[place]:
                    self.late.append(now - self._first[place])
        if started:
            self.book = self.book.put_leases(started)
