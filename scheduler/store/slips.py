"""By how much the promises of leases got later, and why, from what their companies were told."""

from collections.abc import Collection, Sequence

from sqlmodel import Session, col, select

from dure import wire
from scheduler.core import sentences
from scheduler.core.model import Instant
from scheduler.core.slips import Slip, Told, slips
from scheduler.store.tables import LeaseEvent
from scheduler.store.times import to_wire


def of(session: Session, leases: Collection[str]) -> dict[str, list[wire.Slip]]:
    """Those that still hold, by lease, oldest first. A lease without one is not in it."""
    if not leases:
        return {}
    query = select(LeaseEvent).where(col(LeaseEvent.lease).in_(leases)).order_by(col(LeaseEvent.seq))
    told: dict[str, list[Told[LeaseEvent]]] = {}
    for row in session.exec(query):
        promise = None if row.promised_start is None else Instant(row.promised_start)
        told.setdefault(row.lease or "", []).append(Told(promised_start=promise, what=row))
    return {lease: [_wire(slip) for slip in found] for lease, events in told.items() if (found := slips(events))}


def total_s(promised: Sequence[wire.Slip]) -> int:
    """By how much the promise is later than the first; 0 while there is none."""
    if not promised or promised[-1].promised_start is None:
        return 0
    return int((promised[-1].promised_start - promised[0].promised_start_before).total_seconds())


def _wire(slip: Slip[LeaseEvent]) -> wire.Slip:
    event = slip.what
    return wire.Slip(
        at=to_wire(event.at),
        promised_start_before=to_wire(slip.before),
        promised_start=to_wire(slip.after),
        cause=event.cause or "",
        node=event.detail.get("node"),
        reason=event.detail.get("reason"),
        why=sentences.because(event.cause, event.detail),
    )
