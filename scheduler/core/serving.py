"""The queue is served: in the order that it comes in, or where shares count, in that of its companies' turns.

Where a pool may be contended, whose company has had least by its share comes first, and of a company who asked first; each
grant counts at once. Whose turn it is may start beyond its share as soon as its notice allows. For later it is promised no
more than one such start, while nothing else of its company waits for one: so a gang comes to its room, and nobody books
what others are entitled to.
"""

import heapq
from collections.abc import Iterator
from dataclasses import replace

from scheduler.core import decide
from scheduler.core.book import Draft
from scheduler.core.contention import NONE
from scheduler.core.fairness import Ranks
from scheduler.core.lease import scheduled
from scheduler.core.lines import Queue, lines
from scheduler.core.model import Ask, Code, CompanyId, Instant, Lease, LeaseId, Promise, Queued, Tier, Verdict
from scheduler.core.shapes import at_least
from scheduler.core.sharing import Turn, beyond
from scheduler.core.walk_in import granted_at

JUST_S = 10
"""Who asked so long ago at most is still there, and needs no notice of a start, as who asks needs none."""

Served = Iterator[tuple[LeaseId, Verdict]]


def served(draft: Draft, queue: Queue, now: Instant) -> Served:
    """What each gets beside those that were served before it; promises are in the draft."""
    if not queue or draft.policy.contended == NONE:
        return _each(draft, queue, now)
    return _Turns(draft, queue, now).run()


def in_turn(draft: Draft, queue: Queue, now: Instant) -> Queue:
    """The queue in the order in which it is expected to be served: where shares count, as if each that is first were
    granted and the next one looked for then; else as it is.
    """
    if draft.policy.contended == NONE:
        return queue
    ranks = Ranks.of(draft.fair, draft.leases.values(), draft.policy, now)
    waiting = lines(queue)
    turns = [(ranks.rank(company), line[-1][2], company) for company, line in waiting.items()]
    heapq.heapify(turns)
    found: list[tuple[LeaseId, Ask, Instant]] = []
    while turns:
        _, _, company = heapq.heappop(turns)
        one = waiting[company].pop()
        found.append(one)
        if one[1].tier is Tier.RESERVED:
            ranks.grant(company, at_least(one[1]).shape.gpus, one[1].duration_s)
        if waiting[company]:
            heapq.heappush(turns, (ranks.rank(company), waiting[company][-1][2], company))
    return found


def _each(draft: Draft, queue: Queue, now: Instant) -> Served:
    for lease_id, ask, asked_at in queue:
        one = decide.verdict(draft, ask, now, waited=True)
        if isinstance(one, Promise):
            draft.put(scheduled(lease_id, ask, asked_at, one, granted_at(draft.policy, now)))
        yield lease_id, one


class _Turns:
    """One serving; each ask is looked at once."""

    def __init__(self, draft: Draft, queue: Queue, now: Instant) -> None:
        self._draft, self._now = draft, now
        self._ranks = Ranks.of(draft.fair, draft.leases.values(), draft.policy, now)
        self._lines = lines(queue)
        waiting = [draft.leases[lease_id] for _, lease_id in draft.waiting.keys]
        self._ahead = any(self._is_above(lease) for lease in waiting)
        """Whether something above its company's share waits for its start already."""
        self._slots = [(self._ranks.rank(lease.company), lease.starts_at) for lease in waiting if lease.starts_at]
        """What waits for its start: its company's rank, and when that is."""

    def run(self) -> Served:
        """Ends once everybody was looked at."""
        turns = [self._turn(company) for company in self._lines]
        heapq.heapify(turns)
        while turns:
            company = heapq.heappop(turns)[-1]
            lease_id, ask, asked_at = self._lines[company].pop()
            one = self._verdict(ask if asked_at < self._now - JUST_S else replace(ask, notice_s=0))
            if isinstance(one, Promise):
                lease = scheduled(lease_id, ask, asked_at, one, granted_at(self._draft.policy, self._now))
                self._draft.put(lease)
                self._ranks.grant(company, lease.gpus, lease.duration_s)
                self._ahead = self._ahead or self._is_above(lease)
                if lease.waits and lease.starts_at is not None:
                    self._slots.append((self._ranks.rank(company), lease.starts_at))
            yield lease_id, one
            if isinstance(one, Queued) and one.code is Code.WAITS_FOR_SHARE and (ask.start or 0) <= self._now:
                yield from ((behind, one) for behind, _, _ in reversed(self._lines[company]))
            elif self._lines[company]:
                heapq.heappush(turns, self._turn(company))

    def _turn(self, company: CompanyId) -> tuple[int, Instant, LeaseId, CompanyId]:
        lease_id, _, asked_at = self._lines[company][-1]
        return self._ranks.rank(company), asked_at, lease_id, company

    def _verdict(self, ask: Ask) -> Verdict:
        """Within its company's share all spot gives way to it; beyond that, on its turn, that of companies more over theirs."""
        draft, turn = self._draft, Turn(ahead=not self._ahead, until=self._until(ask.company))
        if draft.yielding is None:
            return decide.verdict(draft, ask, self._now, waited=True, turn=turn)
        within = decide.verdict(draft, ask, self._now, waited=True)
        if isinstance(within, Promise):
            return within
        with draft.yielding.from_more_over(ask.company):
            return decide.verdict(draft, ask, self._now, waited=True, turn=turn)

    def _until(self, company: CompanyId) -> Instant | None:
        """Who had more than it was entitled to has what is idle only up to the first start that somebody before it waits
        for: what is free by then is to become theirs, and not a long box of its own.
        """
        if self._ranks.beyond(company) <= 0:
            return None
        rank = self._ranks.rank(company)
        return min((at for other, at in self._slots if other < rank and at > self._now), default=None)

    def _is_above(self, lease: Lease) -> bool:
        """Whether it waits for a later start at which its company is above its share, and others could want that."""
        start, end = lease.starts_at or 0, lease.ends_at or 0
        return start > self._now + lease.notice_s and beyond(self._draft, lease.company, 0, start, end) is not None
