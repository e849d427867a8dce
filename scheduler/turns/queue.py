"""The queue: asks that could not be promised in their window stop waiting when it is past."""

from scheduler.core.lease import advance
from scheduler.core.model import Cause, Instant, State
from scheduler.store import due, generation, leases, records
from scheduler.store.db import Session


def expire(session: Session, pool: str, *, now: float) -> list[str]:
    """Ends the waiting of asks whose last start is past; their ids."""
    generation.lock(session, pool)
    rows = due.expired(session, pool, now=now)
    for row, lease in rows:
        expired = advance(lease, State.EXPIRED, Cause.EXPIRED, Instant(int(now)))
        leases.write_back(session, row, expired)
        records.event(session, row, "expired", at=now, cause=Cause.EXPIRED)
    session.flush()
    return [row.id for row, _ in rows]
