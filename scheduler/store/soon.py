"""Leases that start or end soon and whose company has not been reminded of it yet."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func
from sqlmodel import col, select

from scheduler.store.db import Session
from scheduler.store.tables import Lease, LeaseEvent

BATCH = 500
"""Leases a transaction."""


def starting(session: Session, *, now: float, lead_s: int, event: str) -> Sequence[Lease]:
    """Scheduled leases that start in the next `lead_s`, locked, `BATCH` at most.

    Not those that have this `event` for this start, nor those whose start was told less than `lead_s` ahead anyway.
    One that somebody changes at this moment is left for the next time.
    """
    query = select(Lease).where(col(Lease.state) == "scheduled", _soon(Lease.starts_at, now, lead_s))
    for wanted in _untold(Lease.starts_at, LeaseEvent.starts_at, lead_s, event):
        query = query.where(wanted)
    return session.exec(
        query.order_by(col(Lease.starts_at), col(Lease.id)).limit(BATCH).with_for_update(skip_locked=True)
    ).all()


def ending(session: Session, *, now: float, lead_s: int, event: str) -> Sequence[Lease]:
    """Active leases that stop in the next `lead_s`; the same rules, and the whole box must be longer than `lead_s`."""
    query = select(Lease).where(
        col(Lease.state) == "active",
        _soon(Lease.stops_at, now, lead_s),
        col(Lease.stops_at) - col(Lease.starts_at) > _seconds(lead_s),
    )
    for wanted in _untold(Lease.stops_at, LeaseEvent.stops_at, lead_s, event):
        query = query.where(wanted)
    return session.exec(
        query.order_by(col(Lease.stops_at), col(Lease.id)).limit(BATCH).with_for_update(skip_locked=True)
    ).all()


def _soon(instant: int | None, now: float, lead_s: int) -> ColumnElement[bool]:
    return col(instant).between(int(now) + 1, int(now) + lead_s)


def _untold(
    instant: int | None, told: int | None, lead_s: int, event: str
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    same = select(LeaseEvent.seq).where(col(LeaseEvent.lease) == col(Lease.id), col(told) == col(instant))
    early = same.where(col(LeaseEvent.at) < col(instant) - _seconds(lead_s)).exists()
    return early, ~same.where(col(LeaseEvent.event) == event).exists()


def _seconds(count: int) -> ColumnElement[object]:
    return func.make_interval(0, 0, 0, 0, 0, 0, count)
