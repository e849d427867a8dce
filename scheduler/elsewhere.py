"""Where else a refused ask would fit: every other pool is asked by what this process knows of it, without its lock."""

from scheduler.core.elsewhere import Option, option
from scheduler.core.model import Ask, Instant, PoolId, Refusal, Verdict
from scheduler.store import pools
from scheduler.store.books import Books
from scheduler.store.db import Session

MOST = 20
"""Pools that are looked at, by name: a refusal is still an answer within milliseconds."""


class Elsewhere:
    """One process's look at other pools; threads share it."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def of(self, session: Session, ask: Ask, verdict: Verdict, now: Instant) -> list[Option]:
        """What a refused ask would get in the other pools, by name; nothing for one that was not refused."""
        if not isinstance(verdict, Refusal):
            return []
        names = [name for name in pools.names(session, MOST + 1) if name != ask.pool]
        return [self._option(session, PoolId(name), ask, now) for name in names[:MOST]]

    def _option(self, session: Session, pool: PoolId, ask: Ask, now: Instant) -> Option:
        self._books.seen(session, pool, now)
        generation, book = self._books.held(pool)
        return option(book, pool, ask, now, generation=generation)
