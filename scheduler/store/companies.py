"""Companies: the tenants."""

from sqlmodel import Session, col, select

from dure import wire
from dure.errors import AlreadyExists, UnknownCompany
from scheduler.actor import Actor
from scheduler.store import adding, audit, pages
from scheduler.store.tables import Company
from scheduler.store.times import to_wire


def add(session: Session, body: wire.CompanyCreate, *, actor: Actor, now: float) -> wire.Company:
    """Raises AlreadyExists."""
    adding.alone(session, "company")
    if session.get(Company, body.name) is not None:
        raise AlreadyExists(f"company {body.name} exists already; choose another name, or go on with it")
    row = Company(name=body.name, title=body.title, created_at=int(now))
    session.add(row)
    audit.record(
        session, actor=actor, action=wire.AuditAction.COMPANY_ADD, subject=body.name, at=now, after=body.model_dump()
    )
    return _wire(row)


def get(session: Session, name: str) -> wire.Company:
    """Raises UnknownCompany."""
    return _wire(row(session, name))


def row(session: Session, name: str) -> Company:
    """Raises UnknownCompany."""
    found = session.get(Company, name)
    if found is None:
        raise UnknownCompany(f"there is no company {name}; an admin adds it with `dure company add {name}`")
    return found


def page(session: Session, *, after: str | None, limit: int) -> wire.Page[wire.Company]:
    """By name."""
    query = select(Company).where(col(Company.name) > (after or "")).order_by(col(Company.name)).limit(limit + 1)
    return pages.page(session.exec(query).all(), limit, wire=_wire, key=lambda found: found.name)


def _wire(found: Company) -> wire.Company:
    return wire.Company(name=found.name, title=found.title, created_at=to_wire(found.created_at))
