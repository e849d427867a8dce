"""Renewals: an inference lease that renews itself is extended before extending closes, or its company is told in time."""

from dataclasses import dataclass

from scheduler import renewing
from scheduler.core.extend import Extended, NotExtended
from scheduler.core.model import Lease as CoreLease
from scheduler.service import Service
from scheduler.store import due, generation, records
from scheduler.store.db import Session
from scheduler.store.tables import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """A lease whose renewal was due, and whether it was extended."""

    lease: str
    done: bool


def renew_due(session: Session, service: Service, pool: str, *, now: float) -> list[Renewed]:
    """Extends what is due in one pool; a refusal is told once, and tried again until extending closes."""
    generation.lock(session, pool)
    found: list[Renewed] = []
    for row, lease in due.renewals(session, pool, now=now):
        outcome = renewing.renew(service, session, row, lease, now=now)
        if not isinstance(outcome, Extended):
            _refuse(session, row, lease, outcome, now)
        found.append(Renewed(lease=row.id, done=isinstance(outcome, Extended)))
    session.flush()
    return found


def _refuse(session: Session, row: Lease, lease: CoreLease, outcome: NotExtended | None, now: float) -> None:
    """`too_late` is one that nobody was there to renew while it could be."""
    if row.renewal_refused_at is None:
        what = "too_late" if outcome is None else outcome.obstacle.what
        detail = {"in_the_way": what, "ends_at": records.time(lease.ends_at)}
        records.event(session, row, "renewal_refused", at=now, cause=what, detail=detail)
    row.renewal_refused_at = int(now)
    session.add(row)
