"""Stops: an active lease becomes `ending` a grace before its end, and `ended` at its end, exactly once, never before.

Ending settles the ledger. The GPUs stay allocated until the agent has shown them empty; one that is not shown empty
when its gap is over is quarantined.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import update
from sqlmodel import col, func, select

from scheduler.core.lease import advance, charge
from scheduler.core.model import Cause, Instant, State
from scheduler.core.model import Lease as CoreLease
from scheduler.store import fleet, generation, leases, ledger, records
from scheduler.store.db import Session
from scheduler.store.tables import Allocation, Gpu, Lease, Pool
from scheduler.turns.starts import BATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A lease that ended, and how long after its end."""

    lease: str
    pool: str
    late_s: float


def begin_ending(session: Session, pool: str, *, now: float) -> bool:
    """Marks active leases whose grace has begun; whether there may be more."""
    found = generation.lock(session, pool)
    due = _due(session, pool, ("active",), int(now) + found.grace_s)
    changed = generation.bump(session, pool) if due else 0
    for row, lease in due:
        ending = advance(lease, State.ENDING, Cause.EXPIRED, Instant(int(now)))
        leases.update_row(row, ending, generation=changed)
        session.add(row)
        records.event(session, row, "ending", at=now, cause=Cause.EXPIRED)
    session.flush()
    return len(due) == BATCH


def stop_due(session: Session, pool: str, *, now: float) -> tuple[list[Stopped], bool]:
    """Ends what is due in one pool; also whether there may be more. The caller fences and commits."""
    generation.lock(session, pool)
    due = _due(session, pool, ("ending",), int(now))
    changed = generation.bump(session, pool) if due else 0
    entries: list[ledger.Entry] = []
    for row, lease in due:
        ended = advance(lease, State.ENDED, Cause.EXPIRED, Instant(int(now)))
        leases.update_row(row, ended, generation=changed)
        session.add(row)
        entries += _settled(row, ended)
        late_ms = int((now - (row.stops_at or 0)) * 1000)
        records.event(session, row, "ended", at=now, cause=row.end_cause, detail={"late_ms": late_ms})
    session.flush()
    ledger.post(session, entries, at=int(now))
    _end_allocations(session, [row.id for row, _ in due], now)
    stopped = [Stopped(lease=row.id, pool=pool, late_s=max(0.0, now - (row.stops_at or 0))) for row, _ in due]
    return stopped, len(due) == BATCH


def quarantine_unproved(session: Session, *, now: float) -> list[str]:
    """Takes GPUs whose gap is over without proof of empty out of their pools; their uuids."""
    query = (
        select(Gpu.uuid)
        .join(Allocation, col(Allocation.gpu) == col(Gpu.uuid))
        .join(Lease, col(Lease.id) == col(Allocation.lease))
        .join(Pool, col(Pool.name) == col(Lease.pool))
        .where(
            col(Allocation.closed_at).is_(None),
            col(Allocation.ended_at).is_not(None),
            ~col(Gpu.quarantined),
            func.extract("epoch", col(Lease.stops_at)) + col(Pool.gap_s) <= int(now),
        )
    )
    found = list(session.exec(query).all())
    if found:
        fleet.set_quarantine(session, found, quarantined=True)
    return found


def _due(session: Session, pool: str, states: Sequence[str], until: int) -> list[tuple[Lease, CoreLease]]:
    query = (
        select(Lease)
        .where(col(Lease.pool) == pool, col(Lease.state).in_(states), col(Lease.stops_at) <= until)
        .order_by(col(Lease.stops_at), col(Lease.id))
        .limit(BATCH)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return leases.with_core(session, session.exec(query).all())


def _settled(row: Lease, lease: CoreLease) -> list[ledger.Entry]:
    """The whole box, in its parts: had, lost to a late start, given back early."""
    parts = charge(lease)
    amounts: list[tuple[ledger.Kind, int, str]] = [
        ("settle", parts.delivered, "delivered"),
        ("refund", parts.lost, row.late_cause or "late_start"),
        ("refund", parts.returned, row.end_cause or "released"),
    ]
    return [
        ledger.Entry(company=row.company, pool=row.pool, lease=row.id, kind=kind, gpu_seconds=amount, cause=cause)
        for kind, amount, cause in amounts
    ]


def _end_allocations(session: Session, ended: Sequence[str], now: float) -> None:
    if not ended:
        return
    session.connection().execute(
        update(Allocation)
        .where(col(Allocation.lease).in_(ended), col(Allocation.ended_at).is_(None))
        .values(ended_at=int(now))
        .execution_options(synchronize_session=False)
    )
