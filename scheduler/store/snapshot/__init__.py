"""One look at the whole fleet, its leases and ledger, for metrics."""

from dataclasses import dataclass

from sqlmodel import Session, col, select

from scheduler.store import ledger_verified
from scheduler.store.snapshot import calendar, companies, database, fleet, leases
from scheduler.store.snapshot.calendar import Calendar
from scheduler.store.snapshot.companies import Companies
from scheduler.store.snapshot.fleet import Fleet
from scheduler.store.snapshot.leases import Leases
from scheduler.store.tables import LedgerVerified, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSnapshot:
    """Everything at one instant. `connections` are those of the database, by state; `verified` is when the ledger was last
    added up, None where it never was.
    """

    pools: tuple[str, ...]
    fleet: Fleet
    calendar: Calendar
    companies: Companies
    leases: Leases
    connections: dict[str, int]
    verified: LedgerVerified | None


def pools(session: Session) -> tuple[str, ...]:
    """By name."""
    return tuple(session.exec(select(Pool.name).order_by(col(Pool.name))).all())


def read(session: Session, *, now: float) -> FleetSnapshot:
    """Every number as of the session's snapshot."""
    names = pools(session)
    return FleetSnapshot(
        pools=names,
        fleet=fleet.read(session, names, now=now),
        calendar=calendar.read(session, names, now=now),
        companies=companies.read(session, names, now=now),
        leases=leases.read(session, now=now),
        connections=database.connections(session),
        verified=ledger_verified.last(session),
    )
