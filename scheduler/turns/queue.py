"""The queue: asks that could not be promised are decided again, in order of arrival, whenever something changed."""

from dataclasses import dataclass

from sqlmodel import col, func, select

from scheduler.core.lease import advance
from scheduler.core.model import Cause, Instant, State
from scheduler.service import Service
from scheduler.store import generation, leases, records
from scheduler.store.db import Session
from scheduler.store.tables import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """A queued ask that got a promise, and by which code."""

    lease: str
    pool: str
    code: str


def expire(session: Session, pool: str, *, now: float) -> list[str]:
    """Ends the waiting of asks whose last start is past; their ids."""
    generation.lock(session, pool)
    last = func.coalesce(col(Lease.start_by), col(Lease.start))
    query = (
        select(Lease)
        .where(col(Lease.pool) == pool, col(Lease.state) == "queued", func.extract("epoch", last) < int(now))
        .order_by(col(Lease.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    rows = leases.with_core(session, session.exec(query).all())
    for row, lease in rows:
        expired = advance(lease, State.EXPIRED, Cause.EXPIRED, Instant(int(now)))
        leases.update_row(row, expired, generation=row.generation)
        session.add(row)
        records.event(session, row, "expired", at=now, cause=Cause.EXPIRED)
    session.flush()
    return [row.id for row, _ in rows]


def pull(session: Session, service: Service, pool: str, *, now: float) -> list[Pulled]:
    """Decides every queued ask of the pool again, in order of arrival; those that got a promise."""
    query = (
        select(Lease)
        .where(col(Lease.pool) == pool, col(Lease.state) == "queued")
        .order_by(col(Lease.id))
        .execution_options(populate_existing=True)
    )
    book = service.books.locked(session, pool, Instant(int(now)))
    promised: list[Pulled] = []
    for row in session.exec(query).all():
        book = service.pull(session, row, book, now=now)
        if row.state == "scheduled":
            promised.append(Pulled(lease=row.id, pool=pool, code=records.code(session, row)))
    session.flush()
    return promised
