"""What companies used of a pool and were entitled to: kept in the log of its book, counted anew from its leases."""

from collections import Counter
from collections.abc import Mapping

from sqlmodel import Session, col, select

from scheduler.core.charge import charge
from scheduler.core.model import CompanyId, Instant
from scheduler.core.shares import UNCOUNTED, Uses
from scheduler.store import changes, leases, lost_gpus
from scheduler.store.tables import Lease


def newest(session: Session, pool: str) -> Uses:
    """The count that the pool decides by."""
    found = changes.newest(session, pool, "uses") or UNCOUNTED
    assert isinstance(found, Uses)
    return found


def used(session: Session, pool: str, since: Instant, until: Instant) -> Mapping[CompanyId, int]:
    """GPU-seconds that each company's leases had in `[since, until)`, as the ledger settles them.

    What is only presumed lost counts as used, as most silence ends; what turned out to be lost in that time is taken off for
    the time before it too, so that the counts together are what is settled.
    """
    running = col(Lease.state).in_(("active", "ending"))
    ended = (col(Lease.state) == "ended") & (col(Lease.stops_at) > int(since))
    found: Counter[CompanyId] = Counter()
    for which in (running, ended):
        rows = session.exec(select(Lease).where(col(Lease.pool) == pool, which)).all()
        lost = lost_gpus.known(session, [row.id for row in rows], since)
        for _, lease in leases.with_core(session, rows):
            of = lost.get(lease.id, lost_gpus.NOTHING)
            found[lease.company] += charge(lease, since, until, lost=of.lost).delivered
            found[lease.company] -= charge(lease, 0, since, lost=of.late).lost
    return {company: gpu_seconds for company, gpu_seconds in found.items() if gpu_seconds}
