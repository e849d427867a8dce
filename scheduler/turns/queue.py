"""The queue: asks that could not be promised in their window stop waiting when it is past."""

from scheduler.core.lease import advance
from scheduler.core.model import Cause, Instant, Lease, State
from scheduler.store import due, generation, leases, records
from scheduler.store.db import Session


def expire(session: Session, pool: str, *, now: float) -> list[Lease]:
    """Ends the waiting of asks whose last start is past; those that expired."""
    generation.lock(session, pool)
    rows = due.expired(session, pool, now=now)
    expired = [advance(lease, State.EXPIRED, Cause.EXPIRED, Instant(int(now))) for _, lease in rows]
    for (row, _), lease in zip(rows, expired, strict=True):
        leases.write_back(session, row, lease)
        records.event(session, row, "expired", at=now, cause=Cause.EXPIRED)
    session.flush()
    return expired
