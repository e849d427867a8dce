"""Renewals: an inference lease that renews itself is extended before extending closes, or its company is told in time."""

from dataclasses import dataclass

from scheduler import refusals, renewing
from scheduler.refusals import Declined
from scheduler.service import Service
from scheduler.store import due, generation, records
from scheduler.store.db import Session
from scheduler.store.tables import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """A lease whose renewal was due, and whether it was extended."""

    lease: str
    done: bool
    company: str


def renew_due(session: Session, service: Service, pool: str, *, now: float) -> list[Renewed]:
    """Extends what is due in one pool. A refusal is told and tried again until extending closes; it is told again once
    something else is in the way.
    """
    generation.lock(session, pool)
    found: list[Renewed] = []
    for row, lease in due.renewals(session, pool, now=now):
        declined = renewing.renew(service, session, row, lease, now=now)
        if declined is not None:
            _refuse(session, row, declined, now)
        found.append(Renewed(lease=row.id, done=declined is None, company=row.company))
    session.flush()
    return found


def _refuse(session: Session, row: Lease, found: Declined, now: float) -> None:
    """`too_late` is one that nobody was there to renew while it could be."""
    what = str(found.numbers.get("in_the_way", "too_late"))
    if row.renewal_refused_at is None or what != records.last_cause(session, row.id, "renewal_refused"):
        decision = refusals.keep(session, found)
        detail: dict[str, int | str | None] = {
            "in_the_way": what,
            "ends_at": records.time(row.ends_at),
            "decision": decision.id,
            **{name: found.numbers[name] for name in records.OF_A_DRAIN if name in found.numbers},
        }
        records.event(session, row, "renewal_refused", at=now, cause=what, detail=detail)
    row.renewal_refused_at = int(now)
    session.add(row)
