"""A company is closed, and opened again."""

from sqlmodel import Session, col, select

from dure import wire
from dure.errors import HasLeases
from scheduler.actor import Actor
from scheduler.store import audit, companies, edges
from scheduler.store.tables import Company, Lease

NOT_OVER = ("asked", "queued", "scheduled", "active", "ending")
NAMED = 20
"""Leases in the way that are named; of more only their number is said."""


def close(session: Session, name: str, *, actor: Actor, now: float) -> wire.Company:
    """From now on it asks for nothing; one that is closed stays as it is. Raises UnknownCompany, HasLeases."""
    found = _alone(session, name)
    if found.closed_at is not None:
        return companies.shown(found)
    _nothing_runs(session, name)
    found.closed_at = int(now)
    after = {"closed_at": found.closed_at}
    audit.record(session, actor=actor, action=wire.AuditAction.COMPANY_CLOSE, subject=name, at=now, after=after)
    edges.notify(session, name)  # its keys go at once
    return companies.shown(found)


def reopen(session: Session, name: str, *, actor: Actor, now: float) -> wire.Company:
    """It may ask again; one that is open stays as it is. Raises UnknownCompany."""
    found = _alone(session, name)
    if found.closed_at is None:
        return companies.shown(found)
    before = {"closed_at": found.closed_at}
    found.closed_at = None
    audit.record(session, actor=actor, action=wire.AuditAction.COMPANY_REOPEN, subject=name, at=now, before=before)
    edges.notify(session, name)
    return companies.shown(found)


def _alone(session: Session, name: str) -> Company:
    """Those that ask in its name hold it until they are done, so what they were granted is seen from here on."""
    query = select(Company).where(col(Company.name) == name).with_for_update()
    found = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise companies.unknown(name)
    return found


def _nothing_runs(session: Session, name: str) -> None:
    query = select(Lease.id).where(col(Lease.company) == name, col(Lease.state).in_(NOT_OVER)).order_by(col(Lease.id))
    found = session.exec(query).all()
    if not found:
        return
    named = ", ".join(found[:NAMED]) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
    raise HasLeases(
        f"company {name} has leases that are not over: {named}; wait for them, or end them with `dure lease release` "
        "and `dure lease cancel`",
        numbers={"leases": len(found), "named": named},
    )
