"""The queue: asks that could not be promised are decided again, in order of arrival, whenever something changed."""

from dataclasses import dataclass

from scheduler.core.lease import advance
from scheduler.core.model import Cause, Instant, State
from scheduler.service import Service
from scheduler.store import due, generation, leases, records
from scheduler.store.db import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """A queued ask that got a promise, and by which code."""

    lease: str
    pool: str
    code: str


def expire(session: Session, pool: str, *, now: float) -> list[str]:
    """Ends the waiting of asks whose last start is past; their ids."""
    generation.lock(session, pool)
    rows = due.expired(session, pool, now=now)
    for row, lease in rows:
        expired = advance(lease, State.EXPIRED, Cause.EXPIRED, Instant(int(now)))
        leases.update_row(row, expired, generation=row.generation)
        session.add(row)
        records.event(session, row, "expired", at=now, cause=Cause.EXPIRED)
    session.flush()
    return [row.id for row, _ in rows]


def pull(session: Session, service: Service, pool: str, *, now: float) -> list[Pulled]:
    """Decides every queued ask of the pool again, in order of arrival; those that got a promise."""
    book, now = service.locked(session, pool, now)
    promised: list[Pulled] = []
    for row in due.queued(session, pool):
        book = service.pull(session, row, book, now=now)
        if row.state == "scheduled":
            promised.append(Pulled(lease=row.id, pool=pool, code=records.code(session, row)))
    session.flush()
    return promised
