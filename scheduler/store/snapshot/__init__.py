"""One look at the whole fleet, its leases and ledger, for metrics."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import Session

from scheduler.core.promises import Happened
from scheduler.store import ledger_verified, pools, promise_counts
from scheduler.store.snapshot import calendar, companies, database, fleet, leases
from scheduler.store.snapshot.calendar import Calendar
from scheduler.store.snapshot.companies import Companies
from scheduler.store.snapshot.fleet import Fleet
from scheduler.store.snapshot.leases import Leases
from scheduler.store.tables import LedgerVerified


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSnapshot:
    """Everything at one instant. `connections` are those of the database, by state; `verified` is when the ledger was last
    added up, None where it never was.
    """

    fleet: Fleet
    calendar: Calendar
    companies: Companies
    leases: Leases
    promises: Mapping[Happened, Mapping[tuple[str, ...], int]]
    connections: dict[str, int]
    verified: LedgerVerified | None


def read(session: Session, *, now: float) -> FleetSnapshot:
    """Every number as of the session's snapshot."""
    names = pools.names(session)
    return FleetSnapshot(
        fleet=fleet.read(session, names, now=now),
        calendar=calendar.read(session, names, now=now),
        companies=companies.read(session, names, now=now),
        leases=leases.read(session, now=now),
        promises=promise_counts.read(session, names),
        connections=database.connections(session),
        verified=ledger_verified.last(session),
    )
