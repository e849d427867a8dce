"""Idle leases: one that hardly uses its GPUs is warned about, and given back, by its pool's policy.

Each look begins the next stretch: what was seen by then is kept in mind. The clock of what is unknown begins anew.
"""

from dataclasses import dataclass

from scheduler.core.idling import Step, Watched, ends, step, utilization_ppm
from scheduler.core.model import Cause, Instant
from scheduler.core.words import time
from scheduler.store import generation, idling, leases, records
from scheduler.store.db import Session
from scheduler.turns import attendance


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A lease that was looked at, and what was done about it."""

    lease: str
    company: str
    step: Step


def due(session: Session, *, now: float) -> list[str]:
    """The pools in which a lease has to be looked at, by a look without their locks."""
    return idling.pools(session, now=now)


def look(session: Session, pool: str, now: float) -> list[Looked]:
    """Does what is due in one pool. The caller fences and commits."""
    generation.lock(session, pool)
    at = Instant(int(now))
    found = [(one, step(one, at)) for one in idling.watched(session, pool, now=now)]
    idling.note(session, [_noted(one, what, at) for one, what in found], now=now)
    for one, what in found:
        if what is Step.WARN:
            detail = {"in_s": ends(one, at) - at, **_seen(one, at)}
            records.event(session, leases.known(session, one.lease), "idle_soon", at=now, detail=detail)
        elif what is Step.GIVE_BACK:
            attendance.give_back(session, one.lease, Cause.IDLE, _seen(one, at), now)
    session.flush()
    return [Looked(lease=one.lease, company=one.company, step=what) for one, what in found]


def _noted(watched: Watched, what: Step, now: Instant) -> idling.Noted:
    if what is Step.BEGIN or watched.since is None:
        return idling.Noted(watched=watched, since=now, told_at=None)
    return idling.Noted(watched=watched, since=watched.since, told_at=now if what is Step.WARN else watched.told_at)


def _seen(watched: Watched, now: Instant) -> records.Detail:
    return {
        "since": time(watched.since or now),
        "utilization_ppm": utilization_ppm(watched, now),
        "below_ppm": watched.below_ppm,
        "after_s": watched.after_s,
    }
