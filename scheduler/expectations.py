"""When what waits is expected to start: an estimate for people, worked out from a pool's book when somebody looks."""

import math
from collections.abc import Callable, Mapping

from scheduler.core.model import Instant, LeaseId
from scheduler.core.replan import estimates
from scheduler.store import due
from scheduler.store.books import Books
from scheduler.store.db import Session

Expected = Callable[[str], Mapping[LeaseId, Instant | None]]
"""A pool's estimates by lease; None for an ask that no start fits as things are."""

FRESH_S = 2.0
"""An estimate binds nobody, so one that is as old as this is shown again though the pool has changed."""

STALE_S = 30.0
"""Time passes though nothing changes: one that is older is not shown."""


class Expectations:
    """One process's estimates, shared by its threads."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._known: dict[str, tuple[int, float, Mapping[LeaseId, Instant | None]]] = {}

    def of(self, session: Session, now: float) -> Expected:
        """Asks the pool's book only once somebody wants to know. The answer raises UnknownPool."""
        return lambda pool: self._of(session, pool, now)

    def _of(self, session: Session, pool: str, now: float) -> Mapping[LeaseId, Instant | None]:
        at = Instant(math.ceil(now))
        number, book = self._books.seen(session, pool, at)
        known = self._known.get(pool)
        if known is not None:
            age = now - known[1]
            if 0 <= age <= (STALE_S if known[0] == number else FRESH_S):
                return known[2]
        found = estimates(book, due.asks(session, pool), at)
        self._known[pool] = (number, now, found)
        return found
