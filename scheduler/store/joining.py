"""A company is added, with what every company may hold."""

from sqlmodel import Session

from dure import wire
from dure.errors import AlreadyExists
from scheduler.actor import Actor
from scheduler.store import adding, audit, companies, defaults
from scheduler.store.tables import Company


def add(session: Session, body: wire.CompanyCreate, *, actor: Actor, now: float) -> wire.Company:
    """Raises AlreadyExists."""
    adding.alone(session, "company")
    if session.get(Company, body.name) is not None:
        raise AlreadyExists(f"company {body.name} exists already; choose another name, or go on with it")
    row = Company(name=body.name, title=body.title, pod_security=body.pod_security, created_at=int(now))
    session.add(row)
    session.flush()
    audit.record(
        session, actor=actor, action=wire.AuditAction.COMPANY_ADD, subject=body.name, at=now, after=body.model_dump()
    )
    defaults.welcome(session, body.name, actor=actor, now=now)
    return companies.shown(row)
