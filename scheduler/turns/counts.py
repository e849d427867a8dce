"""What companies use of a contended pool is counted every minute, so that no decision has to read what was."""

import math

from scheduler.core.contention import NONE
from scheduler.core.counting import counted, since, wanted
from scheduler.core.model import Instant
from scheduler.core.shares import Uses
from scheduler.store import changes, due, generation, uses
from scheduler.store.books import Books
from scheduler.store.db import Session


def count(session: Session, books: Books, pool: str, *, now: float) -> Uses | None:
    """Counts up to now, in a generation of its own; None where nothing of the pool is ever contended.

    What is wanted is what is wanted now. Only the leader counts.
    """
    at = Instant(math.ceil(now))
    _, book = books.locked(session, pool, at)
    if book.policy.contended == NONE or at <= book.fair.uses.at:
        return None
    had = uses.used(session, pool, since(book.fair.uses, at), at)
    found = counted(book, had, wanted(book, due.asks(session, pool), at), at)
    changes.write(session, pool, generation.bump(session, pool), [found], at=now)
    return found
