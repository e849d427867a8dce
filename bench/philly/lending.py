"""Drives the core through the asks by shares, where companies take spot too: what is beyond a share is lent, and preempted.

A company asks for each job as reserved, and for spot where that would wait: at once if GPUs are idle, else it waits for
such. A job that is preempted is saved within its notice, and asked for again at once for what is left of it.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from bench.philly.ideal import Stretch
from bench.philly.sharing import SharingDrive
from bench.philly.trace import CompanyJob
from bench.replay.drive import Event
from bench.replay.metrics import Outcome
from scheduler.core.lease import advance
from scheduler.core.model import Ask, Cause, Instant, Lease, LeaseId, State
from scheduler.core.spot import instead


@dataclass
class LendingDrive(SharingDrive):
    """One replay on its way; `stretches` has every time that a job ran, in the order of their ends."""

    notice_s: int = 0
    stretches: list[Stretch] = field(default_factory=list[Stretch])
    _asked_at: dict[int, int] = field(default_factory=dict[int, int])
    _left_s: dict[int, int] = field(default_factory=dict[int, int])
    _again: Counter[int] = field(default_factory=Counter[int])
    """How often a job was asked for again."""

    def _asked(self, place: int) -> Ask:
        return replace(super()._asked(place), duration_s=self._left(place), notice_s=self.notice_s, or_spot=True)

    def _left(self, place: int) -> int:
        """What is left of its job, in seconds."""
        return self._left_s.get(place, self.boxes_s[place])

    def _ask(self, places: Sequence[int], now: Instant) -> None:
        for place in places:
            self._asked_at[place] = now
        super()._ask(places, now)

    def _waits(self, ask: Ask) -> Ask:
        return instead(ask)

    def _moved(self, leases: Iterable[Lease]) -> None:
        """What is cut ends sooner; what goes on is seen at the end that it had."""
        moved = list(leases)
        super()._moved(lease for lease in moved if lease.state is State.SCHEDULED)
        for lease in moved:
            if lease.is_spot and lease.state is State.ACTIVE:
                heapq.heappush(self._heap, (self._ends_at(lease), Event.END, self._places[lease.id]))

    def _ends_at(self, lease: Lease) -> int:
        place = self._places[lease.id]
        return min((lease.starts_at or 0) + self._left(place), lease.stops_at or 0)

    def _end(self, places: Sequence[int], now: Instant) -> None:
        due = [place for place in dict.fromkeys(places) if self._is_over(place, now)]
        ending = [advance(self.book.leases[self._names[place]], State.ENDING, Cause.EXPIRED, now) for place in due]
        ended = [advance(lease, State.ENDED, Cause.EXPIRED, now) for lease in ending]
        self.book = self.book.put_leases(ended)
        for place, lease in zip(due, ended, strict=True):
            self._ran(place, lease, now)

    def _is_over(self, place: int, now: Instant) -> bool:
        """What was cut may go on after all: then its end is another one."""
        lease = self.book.leases.get(self._names[place])
        if lease is None or lease.state is not State.ACTIVE:
            return False
        if (over := self._ends_at(lease) <= now) is False:
            heapq.heappush(self._heap, (self._ends_at(lease), Event.END, place))
        return over

    def _ran(self, place: int, lease: Lease, now: Instant) -> None:
        """What is left of it is asked for again under another name."""
        start, job = lease.starts_at or 0, self.jobs[place]
        assert isinstance(job, CompanyJob)
        promised, asked = self._first[place], self._asked_at[place]
        self.stretches.append(
            Stretch(job=job, asked=asked, promised=promised, start=start, end=now, spot=lease.is_spot)
        )
        self._outcomes[place] = Outcome(job=job, promised=promised, first_promised=promised, start=start)
        if left_s := self._left(place) - (now - start):
            self._left_s[place] = left_s
            self._again[place] += 1
            self._names[place] = LeaseId(f"{self._names[place].partition('.')[0]}.{self._again[place]}")
            self._places[self._names[place]] = place
            heapq.heappush(self._heap, (now, Event.ASK, place))

    def _start(self, places: Sequence[int], now: Instant) -> None:
        due = [place for place in dict.fromkeys(places) if self._starts_at(place, now)]
        started = [advance(self.book.leases[self._names[place]], State.ACTIVE, Cause.STARTED, now) for place in due]
        for place, lease in zip(due, started, strict=True):
            heapq.heappush(self._heap, (self._ends_at(lease), Event.END, place))
        self.book = self.book.put_leases(started)
