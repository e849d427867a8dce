"""Re-plan: what is done to a pool's plan after any edge, and what is expected of it.

`replan` keeps every promise that capacity allows: first whatever lost its nodes is placed elsewhere, at the same start
if possible, and what had slipped is given back what it is owed; then what waits is moved earlier by the policy's rule;
then queued asks are decided again, in order. Spot leases give way to all of these, and have what they leave. It is safe
to do again at any time: where nothing changed it moves nobody but earlier, and soon nobody at all.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from scheduler.core import decide, preemption, rules, serving, spot
from scheduler.core.book import Book, Draft
from scheduler.core.lease import queued
from scheduler.core.lines import Queue
from scheduler.core.model import Ask, Cause, Instant, Lease, LeaseId, Promise, Queued, Refusal, State, Tier
from scheduler.core.owed import give_back
from scheduler.core.repair import Repaired, repair
from scheduler.core.rules import moved_to, moves_earlier, pencilled, pull_in_turn
from scheduler.core.shapes import at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A lease that has another slot, promise or placement than before, or none: then it waits in the queue again."""

    before: Lease
    after: Lease
    cause: Cause

    @property
    def regained_s(self) -> int:
        """By how much its promise, which had slipped, got earlier again."""
        if self.before.promised_start is None or self.after.promised_start is None:
            return 0
        return max(0, self.before.promised_start - self.after.promised_start)

    @property
    def slipped_s(self) -> int:
        """By how much its promise got later; 0 for all but lost capacity."""
        if self.before.promised_start is None or self.after.promised_start is None:
            return 0
        return max(0, self.after.promised_start - self.before.promised_start)

    @property
    def breaks_promise(self) -> bool:
        """Whether its promise gets later by it, or is lost. What is spot was promised nothing."""
        return not self.after.is_spot and (self.slipped_s > 0 or self.after.state is State.QUEUED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The book afterwards, who was moved and why, and the queued asks that got a promise, and that are left without."""

    book: Book
    moves: tuple[Move, ...]
    pulled: Mapping[LeaseId, Promise]
    left: Mapping[LeaseId, Queued | Refusal]


def replan(book: Book, queue: Queue, now: Instant) -> Plan:
    """The plan at `now`."""
    draft = preemption.opened(Draft(book), now)
    lost = repair(draft, now)
    give_back(draft, now)
    _move(draft, now)
    promises, left = _served(draft, [one for one in queue if one[1].tier is Tier.RESERVED], now)
    preemption.settle(draft)
    preemption.grow(draft, now)
    for lease_id, one in spot.served(draft, [one for one in queue if one[1].tier is Tier.SPOT], now):
        if isinstance(one, Promise):
            promises[lease_id] = one
        else:
            left[lease_id] = one
    sealed = draft.seal()
    return Plan(
        book=sealed,
        moves=(*_moves(book, draft, lost), *_dropped(book, lost)),
        pulled={lease_id: decide.settled(sealed, one, lease_id, now) for lease_id, one in promises.items()},
        left=left,
    )


def _move(draft: Draft, now: Instant) -> None:
    """Moves what waits earlier; who is owed an earlier start has the first claim to what that leaves."""
    rules.move(draft, now)
    while give_back(draft, now):
        rules.move(draft, now)


def _served(draft: Draft, queue: Queue, now: Instant) -> tuple[dict[LeaseId, Promise], dict[LeaseId, Queued | Refusal]]:
    """The queued asks that got a promise, and what the others are told, which is true of the draft as it is left: once
    somebody was moved after a promise, those who got none are decided again.
    """
    promises: dict[LeaseId, Promise] = {}
    left: dict[LeaseId, Queued | Refusal] = {}
    while True:
        before = len(promises)
        waiting = [one for one in queue if one[0] not in promises]
        for lease_id, one in serving.served(draft, waiting, now):
            if isinstance(one, Promise):
                promises[lease_id] = one
                left.pop(lease_id, None)
            else:
                left[lease_id] = one
        if len(promises) == before or rules.idle(draft, now):
            return promises, left
        _move(draft, now)


def _moves(book: Book, draft: Draft, lost: Repaired) -> Iterator[Move]:
    for before, after in decide.moves(book, draft):
        yield Move(before=before, after=after, cause=_cause(before, after, lost))


def _cause_of(before: Lease, after: Lease, moved: Cause = Cause.EARLIER) -> Cause:
    """Why a lease is not where it was: a spot lease was preempted, or goes on, because of what others need."""
    if not after.is_spot:
        return moved
    return Cause.PREEMPTED if (after.stops_at or 0) < (before.stops_at or 0) else Cause.CAPACITY


def as_moves(pairs: Iterable[tuple[Lease, Lease]], cause: Cause = Cause.EARLIER) -> list[Move]:
    """The moves of leases, before and after, for that cause where it is not what they are."""
    return [Move(before=before, after=after, cause=_cause_of(before, after, cause)) for before, after in pairs]


def _cause(before: Lease, after: Lease, lost: Repaired) -> Cause:
    """Who made way and was moved earlier after that was moved earlier: that is what it has of it."""
    cause = _cause_of(before, after, lost.causes.get(after.id, Cause.EARLIER))
    return Cause.EARLIER if cause is Cause.MADE_WAY and after.starts_at != before.starts_at else cause


def _dropped(book: Book, lost: Repaired) -> Iterator[Move]:
    for lease_id, after in lost.dropped.items():
        yield Move(before=book.leases[lease_id], after=after, cause=lost.causes[lease_id])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expectation:
    """What is expected, which binds nobody: when everything that waits starts, None for what does not fit as things are,
    and the book in which each stands there.
    """

    starts: Mapping[LeaseId, Instant | None]
    book: Book

    def starts_behind(self, queue: Queue, now: Instant) -> dict[LeaseId, Instant | None]:
        """When asks that queued behind all, in their order, would start."""
        draft = Draft(self.book)
        starts = dict(_queue_up(draft, queue[:-1], now))
        return starts | {lease_id: _first_fit(draft, ask, now) for lease_id, ask, _ in queue[-1:]}

    def behind(self, queue: Queue, now: Instant) -> "Expectation":
        """The same with these asks queued behind all, in their order."""
        draft = Draft(self.book)
        starts = dict(_queue_up(draft, queue, now))
        return Expectation(starts={**self.starts, **starts}, book=draft.seal())


def soonest(book: Book, lease: Lease, now: Instant) -> Instant | None:
    """When a lease of the book is expected to start if nobody else moves before it; its own slot where it cannot move.

    For who holds the pool's lock: to plan for all that waits may take a second.
    """
    if not lease.waits or not moves_earlier(book.policy.rule):
        return lease.starts_at
    lo = max(now + lease.notice_s, lease.start or 0)
    return moved_to(preemption.opened(Draft(book), now), lease, lo, (lease.starts_at or 0) - 1, now).starts_at


def expectation(book: Book, queue: Queue, now: Instant) -> Expectation:
    """A re-plan in which each that waits is pulled to its earliest slot, and queued asks come last: in order of arrival or,
    where shares count, of their companies' turns.
    """
    draft = preemption.opened(Draft(book), now)
    if moves_earlier(book.policy.rule):
        pull_in_turn(draft, now)
    starts = {lease.id: lease.starts_at for lease in draft.leases.values() if lease.state is State.SCHEDULED}
    starts |= _queue_up(draft, serving.in_turn(draft, queue, now), now)
    return Expectation(starts=starts, book=draft.seal())


def _queue_up(draft: Draft, queue: Queue, now: Instant) -> Iterator[tuple[LeaseId, Instant | None]]:
    for lease_id, ask, asked_at in queue:
        start = _first_fit(draft, ask, now)
        if start is not None and ask.tier is Tier.RESERVED:  # spot is in nobody's way
            draft.put(pencilled(draft, queued(lease_id, at_least(ask), asked_at), start))
        yield lease_id, start


def _first_fit(draft: Draft, ask: Ask, now: Instant) -> Instant | None:
    if ask.tier is Tier.SPOT:
        return spot.first_idle(draft, ask, now)
    draft.account(ask.company)
    return decide.first_fit(draft, at_least(ask), now)
