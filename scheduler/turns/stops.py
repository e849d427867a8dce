"""Stops: an active lease becomes `ending` a grace before its end, and `ended` at its end, exactly once, never before.

Ending settles the ledger. The GPUs stay allocated until the agent has shown them empty; one that is not shown empty
when its gap is over is quarantined.
"""

from dataclasses import dataclass

from scheduler.core.charge import charge
from scheduler.core.lease import advance
from scheduler.core.model import Cause, Instant, State
from scheduler.core.preemption import cut
from scheduler.store import allocations, commitments, due, fleet, generation, leases, lost_gpus, quotas, records
from scheduler.store.commitments import Over
from scheduler.store.db import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A lease that ended, and how long after its end."""

    lease: str
    company: str
    pool: str
    late_s: float
    preempted_gpu_seconds: int | None = None
    """What it had run, if it was preempted."""


def begin_ending(session: Session, pool: str, *, now: float) -> bool:
    """Marks active leases whose grace has begun; whether there may be more."""
    grace_s = generation.lock(session, pool).grace_s
    found = due.endings(session, pool, now=now, grace_s=grace_s)
    changed = generation.bump(session, pool) if found else 0
    for row, lease in found:
        cause = Cause.PREEMPTED if cut(lease) else Cause.EXPIRED
        ending = advance(lease, State.ENDING, cause, Instant(int(now)))
        leases.change(session, row, ending, generation=changed, at=now)
        records.event(session, row, "ending", at=now, cause=cause)
    session.flush()
    return len(found) == due.BATCH


def stop_due(session: Session, pool: str, *, now: float) -> tuple[list[Stopped], bool]:
    """Ends what is due in one pool; also whether there may be more. The caller fences and commits."""
    generation.lock(session, pool)
    found = due.stops(session, pool, now=now)
    changed = generation.bump(session, pool) if found else 0
    lost = lost_gpus.stretches(session, [row.id for row, _ in found])
    # Before they are ended: from then on the database lets nobody change what they lost.
    allocations.end(session, [row.id for row, _ in found], now=now)
    over: list[Over] = []
    for row, lease in found:
        ended = advance(lease, State.ENDED, Cause.EXPIRED, Instant(int(now)))
        leases.change(session, row, ended, generation=changed, at=now)
        causes = {"late_cause": row.late_cause or "late_start", "end_cause": row.end_cause or "released"}
        over.append(Over(lease=ended, lost=lost.get(row.id, ()), **causes))
        late_ms = int((now - (row.stops_at or 0)) * 1000)
        records.event(session, row, "ended", at=now, cause=row.end_cause, detail={"late_ms": late_ms})
    session.flush()
    commitments.settle(session, over, at=now)
    spent = quotas.budgeted(session, pool, {row.company for row, _ in found})
    quotas.publish(session, pool, [company for company, _ in spent], now=now, number=changed)
    stopped = [
        Stopped(
            lease=one.lease.id,
            pool=pool,
            late_s=max(0.0, now - (one.lease.stops_at or 0)),
            preempted_gpu_seconds=charge(one.lease, lost=one.lost).delivered
            if one.lease.end_cause is Cause.PREEMPTED
            else None,
            company=one.lease.company,
        )
        for one in over
    ]
    return stopped, len(found) == due.BATCH


def quarantine_unproved(session: Session, *, now: float) -> list[str]:
    """Takes GPUs whose gap is over without proof of empty out of their pools; their uuids."""
    found = due.unproved(session, now=now)
    if found:
        fleet.set_quarantine(session, found, quarantined=True, now=now)
    return found


def lift_proved(session: Session, *, now: float) -> list[str]:
    """Gives quarantined GPUs that were shown empty after all back to their pools; their uuids."""
    found = due.proved(session)
    if found:
        fleet.set_quarantine(session, found, quarantined=False, now=now)
    return found
