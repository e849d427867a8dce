"""Companies: the tenants."""

from collections.abc import Collection, Sequence

from sqlmodel import Session, col, select

from dure import wire
from dure.errors import CompanyClosed, UnknownCompany
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
        raise unknown(name)
    return found


def unknown(name: str) -> UnknownCompany:
    return UnknownCompany(f"there is no company {name}; an admin adds it with `dure company add {name}`")


def asking(session: Session, name: str) -> Company:
    """A company that may ask. Raises UnknownCompany, CompanyClosed."""
    found = row(session, name)
    if found.closed_at is not None:
        raise closed(found)
    return found


def closed(found: Company) -> CompanyClosed:
    """What one that is closed is told."""
    return CompanyClosed(
        f"company {found.name} was closed at {to_wire(found.closed_at).isoformat() if found.closed_at else 'once'}; "
        f"an admin opens it again with `dure company reopen {found.name}`"
    )


def held(session: Session, names: Collection[str]) -> Sequence[Company]:
    """Those companies as they are now; none of them is closed before this transaction ends."""
    query = select(Company).where(col(Company.name).in_(names))
    return session.exec(query.with_for_update(read=True, key_share=True)).all()


def page(session: Session, *, after: str | None, limit: int) -> wire.Page[wire.Company]:
    """By name."""
    query = select(Company).where(col(Company.name) > (after or "")).order_by(col(Company.name)).limit(limit + 1)
    return pages.page(session.exec(query).all(), limit, wire=shown, key=lambda found: found.name)


def shown(found: Company) -> wire.Company:
    """What people see of it."""
    return wire.Company(
        name=found.name, title=found.title, created_at=to_wire(found.created_at), closed_at=to_wire(found.closed_at)
    )
