"""Companies: the tenants."""

from sqlmodel import Session, col, select

from dure import wire
from dure.errors import UnknownCompany
from scheduler.store import pages
from scheduler.store.tables import Company
from scheduler.store.times import to_wire


def get(session: Session, name: str) -> wire.Company:
    """Raises UnknownCompany."""
    return shown(row(session, name))


def row(session: Session, name: str) -> Company:
    """Raises UnknownCompany."""
    found = session.get(Company, name)
    if found is None:
        raise UnknownCompany(f"there is no company {name}; an admin adds it with `dure company add {name}`")
    return found


def page(session: Session, *, after: str | None, limit: int) -> wire.Page[wire.Company]:
    """By name."""
    query = select(Company).where(col(Company.name) > (after or "")).order_by(col(Company.name)).limit(limit + 1)
    return pages.page(session.exec(query).all(), limit, wire=shown, key=lambda found: found.name)


def shown(found: Company) -> wire.Company:
    """What people see of it."""
    return wire.Company(name=found.name, title=found.title, created_at=to_wire(found.created_at))
