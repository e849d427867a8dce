"""What a pool is asked for changes slowly: now and then its book is given the newest asks."""

import math

from scheduler.core.fragmentation import Mix, renewed
from scheduler.core.model import Instant
from scheduler.store import changes, generation, mixes
from scheduler.store.books import Books
from scheduler.store.db import Session

SETTLED_S = 60
"""Asks that are younger are left to the next time: some may not be committed."""


def renew(session: Session, books: Books, pool: str, *, now: float) -> Mix | None:
    """Renews the pool's mix of asks, in a generation of its own; None where it stays. Only the leader does, so nobody else
    changes it meanwhile.
    """
    _, book = books.seen(session, pool, Instant(math.ceil(now)))
    until = Instant(int(now) - SETTLED_S)
    asked = mixes.asked(session, pool, book.mix.until, until, largest=max(book.good_day, default=0))
    found = renewed(book.mix, asked, until)
    if found is not None:
        generation.lock(session, pool)
        changes.write(session, pool, generation.bump(session, pool), [found], at=now)
    return found
