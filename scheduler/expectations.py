"""When what waits is expected to start: an estimate for people, worked out from a pool's book when somebody looks."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from scheduler.core.book import Book
from scheduler.core.model import Instant, LeaseId, Promise, Queued, Verdict
from scheduler.core.record import Asks
from scheduler.core.replan import Expectation, expectation
from scheduler.store import due
from scheduler.store.books import Books
from scheduler.store.db import Session

Expected = Callable[[str], Mapping[LeaseId, Instant | None]]
"""A pool's estimates by lease; None for an ask that no start fits as things are."""

FRESH_S = 2.0
"""An estimate binds nobody, so one that is as old as this is shown again though the pool has changed."""

STALE_S = 30.0
"""Time passes though nothing changes: one that is older is not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What was found at `at`, of the book of generation `number`; `queue` has whose asks are pencilled in."""

    number: int
    at: float
    queue: frozenset[LeaseId]
    found: Expectation

    def lasts(self, number: int, queue: Sequence[LeaseId], now: float, fresh_s: float) -> bool:
        """Whether it is still shown, once those that are new in the queue are pencilled in behind all."""
        same = number == self.number and self.queue <= set(queue)
        return 0 <= now - self.at <= (STALE_S if same else fresh_s)


class Expectations:
    """One process's estimates, shared by its threads."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._known: dict[str, _Known] = {}

    def of(self, session: Session, now: float) -> Expected:
        """Asks the pool's book only once somebody wants to know. The answer raises UnknownPool."""
        return lambda pool: self._seen(session, pool, now).starts

    def of_verdicts(
        self, session: Session, pool: str, asks: Asks, verdicts: Sequence[Verdict], now: float
    ) -> list[Instant | None]:
        """When asks that were decided just now are expected to start: those that are queued behind all that wait.

        Called before anything of them is written: what is kept is of what is committed. What is known is used while it is
        shown at all: to plan for thousands anew takes a second, and here others wait for the pool's lock. Raises UnknownPool.
        """
        at = Instant(math.ceil(now))
        queued = [(*asked, at) for asked, one in zip(asks, verdicts, strict=True) if isinstance(one, Queued)]
        behind = self._seen(session, pool, now, STALE_S).starts_behind(queued, at) if queued else {}
        return [_expected(one, behind.get(lease_id)) for (lease_id, _), one in zip(asks, verdicts, strict=True)]

    def _seen(self, session: Session, pool: str, now: float, fresh_s: float = FRESH_S) -> Expectation:
        number, book = self._books.seen(session, pool, Instant(math.ceil(now)))
        queue = due.queue(session, pool)
        known = self._known.get(pool)
        if known is None or not known.lasts(number, queue, now, fresh_s):
            known = self._anew(session, pool, number, book, now)
        else:
            known = self._with_new(session, pool, known, [one for one in queue if one not in known.queue], now)
        self._known[pool] = known
        return known.found

    def _anew(self, session: Session, pool: str, number: int, book: Book, now: float) -> _Known:
        queue = due.asks(session, pool)
        found = expectation(book, queue, Instant(math.ceil(now)))
        return _Known(number=number, at=now, queue=frozenset(lease_id for lease_id, _, _ in queue), found=found)

    def _with_new(self, session: Session, pool: str, known: _Known, new: Sequence[LeaseId], now: float) -> _Known:
        if not new:
            return known
        found = known.found.behind(due.asks(session, pool, new), Instant(math.ceil(now)))
        return replace(known, queue=known.queue | frozenset(new), found=found)


def _expected(verdict: Verdict, behind: Instant | None) -> Instant | None:
    """Not before it would fit beside all that is booked: what is known of those that wait may be older than that."""
    match verdict:
        case Promise():
            return verdict.estimate
        case Queued(first_fit=first) if first is not None and behind is not None:
            return max(first, behind)
        case _:
            return None
