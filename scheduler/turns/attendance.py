"""Attendance: a lease on which nothing runs is warned about, and given back, by its pool's policy.

What it had until then is charged; the rest of its box is refunded, as for any that is released early.
"""

from dataclasses import dataclass

from scheduler import endings
from scheduler.core.attendance import Step, Watched, step
from scheduler.core.model import Cause, Instant
from scheduler.store import attendance, generation, leases, records
from scheduler.store.db import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A lease about which something was done."""

    lease: str
    company: str
    step: Step


def due(session: Session, *, now: float) -> list[str]:
    """The pools in which something is to be done, by a look without their locks."""
    found = attendance.pools(session, now=now)
    return [pool for pool in found if _steps(session, pool, now)]


def look(session: Session, pool: str, now: float) -> list[Looked]:
    """Does what is due in one pool. The caller fences and commits."""
    generation.lock(session, pool)
    steps = _steps(session, pool, now)
    if shown := [one.lease for one, what in steps if what is Step.NOTE]:
        attendance.note_shown(session, shown, now=now)
    for watched, what in steps:
        if what is Step.WARN:
            _warn(session, watched, now)
        elif what is Step.GIVE_BACK:
            give_back(session, watched.lease, Cause.NO_SHOW, {"after_s": watched.after_s}, now)
    session.flush()
    return [Looked(lease=watched.lease, company=watched.company, step=what) for watched, what in steps]


def give_back(session: Session, lease_id: str, cause: Cause, detail: records.Detail, now: float) -> None:
    """Ends an active lease for that cause, which `detail` has the numbers of."""
    row = leases.known(session, lease_id)
    [(_, lease)] = leases.with_core(session, [row])
    endings.end(session, row, lease, cause, now=now, detail=detail)


def _steps(session: Session, pool: str, now: float) -> list[tuple[Watched, Step]]:
    found = [(one, step(one, Instant(int(now)))) for one in attendance.watched(session, pool, now=now)]
    return [(one, what) for one, what in found if what is not Step.WAIT]


def _warn(session: Session, watched: Watched, now: float) -> None:
    attendance.note_told(session, watched.lease, now=now)
    ends = max(watched.ends, int(now) + watched.lead_s)
    detail: records.Detail = {"in_s": ends - int(now), "after_s": watched.after_s}
    records.event(session, leases.known(session, watched.lease), "no_show_soon", at=now, detail=detail)
