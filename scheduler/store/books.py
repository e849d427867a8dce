"""Each pool's book, kept in memory and brought up to the pool's generation by reading what changed."""

from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from sqlalchemy import ColumnElement, or_, text
from sqlmodel import Session, col, select

from dure.wire import HORIZON_S
from scheduler.core.book import Book
from scheduler.core.codec import Item
from scheduler.core.lease import given_back
from scheduler.core.model import Instant, Lease, LeaseId, Node, NodeId, Policy
from scheduler.store import allocations, changes, drains, generation, leases, lives, mixes, quotas, shares, tables, uses
from scheduler.store.db import on_commit
from scheduler.store.tables import Drain as TableDrain
from scheduler.store.tables import Node as TableNode
from scheduler.store.tables import Pool, PoolNode

POLICY_VERSION = "6"
"""Stamped on every decision: late slots tried by width and expansion, least stranded for the asks seen, totals kept to
their domains or spread over them, concurrent quota, queue in order of arrival, others make way before a promise slips, and
for every refusal what could be had.
"""

FORGET_EVERY_S = 10
"""The past is dropped from a book now and then; decisions are the same with it."""


class Held(NamedTuple):
    """A copy, of a pool's generation in a life of the server: after it, the same number may stand for something else."""

    generation: int
    book: Book
    life: str | None


class Books:
    """One process's copies; the values in it never change, so threads share them."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._forgot: dict[str, Instant] = {}
        self._guard = Lock()

    def locked(self, session: Session, pool: str, now: Instant) -> tuple[int, Book]:
        """The pool's generation, whose row is locked until the transaction ends, and its book: to decide by.

        Raises UnknownPool.
        """
        row = generation.lock(session, pool)
        known = self._held.get(pool)
        if known is not None and known.generation > row.generation:  # an older database was put back under us
            del self._held[pool]
        return row.generation, self._brought_up(session, row, now)

    def seen(self, session: Session, pool: str, now: Instant) -> tuple[int, Book]:
        """The pool's generation and book as a snapshot sees them, or newer: to quote by. Raises UnknownPool."""
        found = session.get(Pool, pool)
        if found is None:
            raise generation.unknown(pool)
        book = self._brought_up(session, found, now)
        return max(found.generation, self._held[pool].generation), book

    def held(self, pool: str) -> tuple[int, Book]:
        """The generation and book in memory of a pool that was `seen`."""
        known = self._held[pool]
        return known.generation, known.book

    def newest(self, pool: str, generation: int | None) -> Book | None:
        """The book in memory, if it has the generation that the pool was just seen to have."""
        known = self._held.get(pool)
        return known.book if known is not None and known.generation == generation else None

    def keep(self, pool: str, held: Held) -> None:
        """What a transaction that has been committed made of the book; it need not be read back."""
        with self._guard:
            known = self._held.get(pool)
            if known is None or known.life != held.life or known.generation <= held.generation:
                self._held[pool] = held

    def keep_on_commit(self, session: Session, pool: str, number: int, book: Book) -> None:
        """The same once the session's transaction is committed, and not at all if it is not."""
        held = Held(number, book, lives.noted(session.connection()))
        on_commit(session, lambda: self.keep(pool, held))

    def with_items(self, session: Session, pool: str, book: Book, items: Sequence[Item], now: Instant) -> Book:
        """The book once these, which are in the tables by now, are changed.

        With another policy it is read anew: a longer gap makes leases count again that a book has forgotten.
        """
        if any(isinstance(item, Policy) for item in items):
            return loaded(session, session.get_one(Pool, pool), now)
        return book.changed(items)

    def _brought_up(self, session: Session, pool: Pool, now: Instant) -> Book:
        known, life = self._held.get(pool.name), lives.noted(session.connection())
        if known is None or known.life != life:
            book = loaded(session, pool, now)
        elif known.generation < pool.generation:
            changed = changes.since(session, pool.name, known.generation)
            book = self.with_items(session, pool.name, known.book, changed, now)
        else:  # the same, or newer than this snapshot: another thread read on meanwhile
            book = known.book
        if now >= self._forgot.get(pool.name, 0) + FORGET_EVERY_S:
            book = book.since(now)
            self._forgot[pool.name] = now
        self.keep(pool.name, Held(pool.generation, book, life))
        return book


def fresh(session: Session, pool: str, now: Instant) -> Book:
    """The book read anew, for who keeps no copy. Raises UnknownPool."""
    return Books().seen(session, pool, now)[1]


def policy(pool: Pool) -> Policy:
    """The rules by which the pool decides."""
    return Policy(
        version=POLICY_VERSION,
        horizon_s=HORIZON_S,
        gap_s=pool.gap_s,
        rule=pool.rule,
        slack_ppm=pool.slack_ppm,
        reserve_ppm=pool.reserve_ppm,
        reserve_over_s=pool.reserve_over_s,
        walk_in_ppm=pool.walk_in_ppm,
        walk_in_within_s=pool.walk_in_within_s,
        seniority_s=pool.seniority_s,
        loss_grace_s=pool.loss_grace_s,
        extension_closes_s=pool.extension_closes_s,
        contended=pool.contended,
        contended_ppm=pool.contended_ppm,
        half_life_s=pool.half_life_s,
        entry_s=pool.entry_s,
        spot_least_s=pool.spot_least_s,
        number=pool.policy_number,
    )


def loaded(session: Session, pool: Pool, now: Instant) -> Book:
    """The book as the tables say it."""
    booked = _core(session, session.exec(select(tables.Lease).where(*_blocking(pool, now))).all())
    nodes = session.exec(
        select(PoolNode, TableNode)
        .join(TableNode, col(TableNode.name) == col(PoolNode.node))
        .where(col(PoolNode.pool) == pool.name)
    ).all()
    planned = session.exec(
        select(TableDrain).where(
            col(TableDrain.node).in_([row.node for row, _ in nodes]), col(TableDrain.ends_at) > now
        )
    ).all()
    return Book.of(
        policy(pool),
        [node(row, machine) for row, machine in nodes],
        [*booked, *_given_back(session, pool, booked, now)],
        {quota.company: quota for quota in quotas.core_quotas(session, pool.name)},
        [drains.to_core(row) for row in planned],
        mixes.newest(session, pool.name),
        fair=[*shares.items(session, pool.name), uses.newest(session, pool.name)],
    )


def _blocking(pool: Pool, now: Instant) -> tuple[ColumnElement[bool], ...]:
    """Leases that are booked, and those that are over and in their gap; said apart, as each has an index of its own."""
    in_gap = (col(tables.Lease.state) == "ended") & (col(tables.Lease.stops_at) > now - pool.gap_s)
    return col(tables.Lease.pool) == pool.name, or_(*map(text, leases.BOOKED_BY_INDEX), in_gap)


def node(row: PoolNode, machine: TableNode) -> Node:
    """What the calendar knows of a node."""
    lost_at = None if row.lost_at is None else Instant(row.lost_at)
    return Node(
        id=NodeId(row.node),
        capacity=row.capacity,
        nominal=row.nominal,
        open=row.open,
        lost_at=lost_at,
        rack=machine.rack,
        island=machine.island,
    )


def _given_back(session: Session, pool: Pool, known: Sequence[Lease], now: Instant) -> list[Lease]:
    """What stands for GPUs that running leases gave back and that are in their gap still."""
    by_id = {lease.id: lease for lease in known}
    found = allocations.given_back(session, pool.name, now - pool.gap_s)
    return [
        given_back(by_id[LeaseId(lease)], placement, Instant(at))
        for lease, parts in found.items()
        if lease in by_id
        for at, placement in parts.items()
    ]


def _core(session: Session, rows: Sequence[tables.Lease]) -> list[Lease]:
    return [lease for _, lease in leases.with_core(session, rows)]
