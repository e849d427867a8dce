"""The calendar's book of each pool, kept in memory and brought up to the pool's generation by reading what changed."""

from collections.abc import Sequence
from threading import Lock

from sqlmodel import Session, col, select

from dure.wire import HORIZON_S
from scheduler.core.book import Book
from scheduler.core.model import Instant, Lease, Node, NodeId, Policy
from scheduler.store import generation, leases, tables
from scheduler.store.leases import BOOKED
from scheduler.store.tables import Pool, PoolNode

POLICY_VERSION = "1"
"""Stamped on every decision: earliest start, best fit, concurrent quota, queue in order of arrival."""


FORGET_EVERY_S = 10
"""The past is dropped from a book now and then; decisions are the same with it."""


class Books:
    """One process's copies; the values in it never change, so threads share them."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[int, Book]] = {}
        self._forgot: dict[str, Instant] = {}
        self._guard = Lock()

    def locked(self, session: Session, pool: str, now: Instant) -> Book:
        """The book at the pool's newest generation, whose row is locked until the transaction ends: to decide by.

        Raises UnknownPool.
        """
        row = generation.lock(session, pool)
        known = self._held.get(pool)
        if known is not None and known[0] > row.generation:  # an older database was put back under us
            del self._held[pool]
        return self._brought_up(session, row, now)

    def seen(self, session: Session, pool: str, now: Instant) -> Book:
        """The book as a snapshot sees it: to quote by. Raises UnknownPool."""
        found = session.get(Pool, pool)
        if found is None:
            raise generation.unknown(pool)
        return self._brought_up(session, found, now)

    def _brought_up(self, session: Session, pool: Pool, now: Instant) -> Book:
        known = self._held.get(pool.name)
        if known is None:
            book = _loaded(session, pool, now)
        elif known[0] < pool.generation:
            book = _changed(session, pool.name, known[0], known[1])
        else:  # the same, or newer than this snapshot: another thread read on meanwhile
            return known[1]
        if now >= self._forgot.get(pool.name, 0) + FORGET_EVERY_S:
            book = book.since(now)
            self._forgot[pool.name] = now
        self._keep(pool.name, pool.generation, book)
        return book

    def _keep(self, pool: str, number: int, book: Book) -> None:
        with self._guard:
            known = self._held.get(pool)
            if known is None or known[0] <= number:
                self._held[pool] = (number, book)


def fresh(session: Session, pool: str, now: Instant) -> Book:
    """The book read anew, for who keeps no copy. Raises UnknownPool."""
    return Books().seen(session, pool, now)


def _loaded(session: Session, pool: Pool, now: Instant) -> Book:
    policy = Policy(version=POLICY_VERSION, horizon_s=HORIZON_S, gap_s=pool.gap_s)
    blocks = col(tables.Lease.state).in_((*BOOKED, "ended")) & (col(tables.Lease.stops_at) > now - pool.gap_s)
    live = col(tables.Lease.state).in_(BOOKED)
    rows = session.exec(select(tables.Lease).where(col(tables.Lease.pool) == pool.name, blocks | live)).all()
    nodes = session.exec(select(PoolNode).where(col(PoolNode.pool) == pool.name)).all()
    return Book.of(policy, [_node(row) for row in nodes], _core(session, rows))


def _changed(session: Session, pool: str, since: int, book: Book) -> Book:
    rows = session.exec(
        select(tables.Lease).where(col(tables.Lease.pool) == pool, col(tables.Lease.generation) > since)
    ).all()
    nodes = session.exec(select(PoolNode).where(col(PoolNode.pool) == pool, col(PoolNode.generation) > since)).all()
    if nodes:
        book = book.put_nodes([_node(row) for row in nodes])
    return book.put_leases(_core(session, rows)) if rows else book


def _core(session: Session, rows: Sequence[tables.Lease]) -> list[Lease]:
    return [lease for _, lease in leases.with_core(session, rows)]


def _node(row: PoolNode) -> Node:
    return Node(id=NodeId(row.node), capacity=row.capacity, nominal=row.nominal, open=row.open)
