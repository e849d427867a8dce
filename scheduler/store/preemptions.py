"""When companies were told that spot leases of theirs are preempted, and what of these is refunded."""

from collections.abc import Iterable

from sqlmodel import Session, col, select

from dure import wire
from scheduler.core.charge import charge
from scheduler.core.model import Cause, Lease, LeaseId
from scheduler.core.preemption import cut
from scheduler.store.tables import LeaseEvent
from scheduler.store.times import to_wire

_TOLD = ("preempting", "goes_on")


def of(session: Session, leases: Iterable[Lease]) -> dict[LeaseId, wire.Preemption]:
    """Those that are or were preempted; not those that stop early because so much was idle, or that were released."""
    found = {lease.id: lease for lease in leases if cut(lease) and lease.end_cause in (None, Cause.PREEMPTED)}
    if not found:
        return {}
    query = (
        select(LeaseEvent)
        .where(col(LeaseEvent.lease).in_(found), col(LeaseEvent.event).in_(_TOLD))
        .order_by(col(LeaseEvent.seq))
    )
    last = {LeaseId(row.lease or ""): row for row in session.exec(query)}
    return {id_: _wire(found[id_], row) for id_, row in last.items() if row.event == "preempting"}


def _wire(lease: Lease, told: LeaseEvent) -> wire.Preemption:
    return wire.Preemption(
        told_at=to_wire(told.at),
        stops_at=to_wire(lease.stops_at or 0),
        refund_gpu_seconds=charge(lease).returned,
        decision=told.detail.get("decision"),
    )
