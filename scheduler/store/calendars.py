"""The calendar as people see it: free GPUs per node over time, and the leases that take them."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from dure import wire
from dure.errors import InvalidRequest
from scheduler.actor import Actor
from scheduler.core import walk_in
from scheduler.core.book import Book
from scheduler.core.model import Instant
from scheduler.core.steps import Steps
from scheduler.store import books, drains, leases, tables
from scheduler.store.tables import Node
from scheduler.store.times import from_wire, to_wire

LONGEST_S = 62 * 24 * 3600


def show(session: Session, pool: str, *, since: datetime, until: datetime, actor: Actor, now: float) -> wire.Calendar:
    """The pool over `[since, until)`; it is known from now on only. Raises UnknownPool, InvalidRequest."""
    lo, hi = max(from_wire(since), Instant(int(now))), from_wire(until)
    if not lo < hi <= lo + LONGEST_S:
        message = "it comes after since and after now, and at most 62 days after them"
        raise InvalidRequest.about("until", message)
    book = books.fresh(session, pool, Instant(int(now)))
    planned = drains.wires(session, book.nodes, now=now)
    states = dict(session.exec(select(Node.name, Node.state)).all())
    return wire.Calendar(
        pool=pool,
        since=to_wire(lo),
        until=to_wire(hi),
        capacity=book.capacity,
        nodes=[
            wire.NodeCalendar(
                node=node.id,
                state=wire.NodeState(states[node.id]),
                capacity=node.capacity,
                drains=planned.get(node.id, []),
                steps=_steps(book.free.steps(book.rows[node.id]), lo, hi),
            )
            for node in book.nodes.values()
            if node.nominal > 0
        ],
        bookings=_bookings(session, book, lo, hi, actor),
        walk_in=_walk_in(book, lo, hi, Instant(int(now))),
    )


def _walk_in(book: Book, lo: int, hi: int, now: Instant) -> wire.WalkInCalendar | None:
    near = walk_in.soon(book.policy, now)
    if near is None:
        return None
    line = walk_in.line(book.policy, book.nominal)
    return wire.WalkInCalendar(
        gpus=book.nominal - line,
        within_s=book.policy.walk_in_within_s,
        near_until=to_wire(near),
        limit_gpus=line,
        steps=_steps(book.limits.steps(walk_in.AHEAD), lo, hi),
    )


def _steps(free: Steps, lo: int, hi: int) -> list[wire.FreeStep]:
    inside = [(at, value) for at, value in zip(free.times, free.values, strict=True) if lo < at < hi]
    return [wire.FreeStep(at=to_wire(at), free=max(0, value)) for at, value in [(lo, free.at(lo)), *inside]]


def _bookings(session: Session, book: Book, lo: int, hi: int, actor: Actor) -> list[wire.Booking]:
    blocking = [lease for lease in book.leases.values() if (lease.starts_at or 0) < hi]
    rows: Sequence[tables.Lease] = session.exec(
        select(tables.Lease)
        .where(col(tables.Lease.id).in_([lease.id for lease in blocking]))
        .order_by(col(tables.Lease.starts_at), col(tables.Lease.id))
    ).all()
    return [_booking(row, book.policy.gap_s, actor) for row in rows if (row.stops_at or 0) + book.policy.gap_s > lo]


def _booking(row: tables.Lease, gap_s: int, actor: Actor) -> wire.Booking:
    known = actor.company in (None, row.company)
    lease = leases.to_core(row, ())
    return wire.Booking(
        lease=row.id if known else None,
        company=row.company if known else None,
        state=wire.LeaseState(row.state),
        starts_at=to_wire(lease.starts_at or 0),
        ends_at=to_wire(lease.stops_at or 0),
        blocks_until=to_wire((lease.stops_at or 0) + gap_s),
        gpus=row.total_gpus,
    )
