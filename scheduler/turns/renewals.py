"""Renewals: an inference lease that renews itself is extended before extending closes, or its company is told in time."""

from dataclasses import dataclass

from scheduler import amend
from scheduler.core.extend import Extended
from scheduler.service import Service
from scheduler.store import due, generation, records
from scheduler.store.db import Session

AGAIN_S = 60
"""How often a renewal that was refused is tried again, until extending closes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """A lease whose renewal was due, and whether it was extended."""

    lease: str
    done: bool


def renew_due(session: Session, service: Service, pool: str, *, now: float) -> list[Renewed]:
    """Extends what is due in one pool; a refusal is told once, and tried again until extending closes."""
    generation.lock(session, pool)
    found: list[Renewed] = []
    for row, lease in due.renewals(session, pool, now=now, before_s=amend.RENEWED_BEFORE_S, again_s=AGAIN_S):
        outcome = amend.renew(service, session, row, lease, now=now)
        done = isinstance(outcome, Extended)
        if not done:
            if row.renewal_refused_at is None:
                detail = {"in_the_way": outcome.obstacle, "ends_at": records.time(lease.ends_at)}
                records.event(session, row, "renewal_refused", at=now, cause=outcome.obstacle, detail=detail)
            row.renewal_refused_at = int(now)
            session.add(row)
        else:
            row.renewal_refused_at = None
            session.add(row)
        found.append(Renewed(lease=row.id, done=done))
    session.flush()
    return found
