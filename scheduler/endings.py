"""How a lease ends before its time: an active one is ended, what has not started is withdrawn; people release and cancel.

In the caller's transaction, under the pool's lock; what ends by its own box is in `scheduler.turns.stops`.
"""

import math
from typing import Any

from dure import wire
from dure.errors import WrongState
from scheduler.actor import Actor
from scheduler.core import promises
from scheduler.core.charge import box, charge
from scheduler.core.lease import advance
from scheduler.core.model import Cause, Instant, State
from scheduler.core.model import Lease as CoreLease
from scheduler.service import Service, locked_lease
from scheduler.store import (
    audit,
    commitments,
    edges,
    generation,
    leases,
    lost_gpus,
    promise_counts,
    records,
    shown_leases,
)
from scheduler.store.commitments import Change
from scheduler.store.db import Session
from scheduler.store.tables import Lease
from scheduler.store.times import to_wire


def release(service: Service, session: Session, lease_id: str, *, actor: Actor, now: float) -> wire.Lease:
    """Ends an active lease now; the rest of its box is refunded. An admin's release of it is a revocation.

    Raises UnknownLease, WrongState.
    """
    row, lease = locked_lease(session, lease_id, actor)
    now = max(now, service.clock())
    if lease.state is not State.ACTIVE:
        raise WrongState(_not_releasable(row), numbers={"state": row.state})
    cause = Cause.REVOKED if actor.role is wire.Role.ADMIN else Cause.RELEASED
    end(session, row, lease, cause, now=now)
    stopped = {"stops_at": records.time(row.stops_at)}
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.LEASE_RELEASE,
        subject=row.id,
        at=now,
        before=held(lease),
        after={"state": row.state, "cause": cause.value, **stopped},
    )
    session.flush()
    return shown_leases.to_wires(session, [row])[0]


def preview_release(session: Session, lease_id: str, *, actor: Actor, now: float) -> wire.EndPreview:
    """What `release` would do. Raises what it raises."""
    row = leases.row(session, lease_id, actor=actor)
    [(_, lease)] = leases.with_core(session, [row])
    if lease.state is not State.ACTIVE:
        raise WrongState(_not_releasable(row), numbers={"state": row.state})
    stopped = advance(lease, State.ENDING, Cause.RELEASED, Instant(math.ceil(now)))
    lost = lost_gpus.stretches(session, [lease_id]).get(lease_id, ())
    return wire.EndPreview(
        lease=row.id,
        state=wire.LeaseState.ENDING,
        stops_at=to_wire(stopped.stops_at),
        refund_gpu_seconds=charge(stopped, lost=lost).refunded,
    )


def cancel(session: Session, lease_id: str, *, actor: Actor, now: float) -> wire.Lease:
    """Takes back an ask that has not started; a promise's whole box is refunded. Raises UnknownLease, WrongState."""
    row, lease = locked_lease(session, lease_id, actor)
    if lease.state not in (State.QUEUED, State.SCHEDULED):
        raise WrongState(_not_cancellable(row), numbers={"state": row.state})
    withdraw(session, row, lease, Cause.CANCELLED, now=now)
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.LEASE_CANCEL,
        subject=row.id,
        at=now,
        before=held(lease),
        after={"state": row.state},
    )
    session.flush()
    return shown_leases.to_wires(session, [row])[0]


def preview_cancel(session: Session, lease_id: str, *, actor: Actor) -> wire.EndPreview:
    """What `cancel` would do. Raises what it raises."""
    row = leases.row(session, lease_id, actor=actor)
    [(_, lease)] = leases.with_core(session, [row])
    if lease.state not in (State.QUEUED, State.SCHEDULED):
        raise WrongState(_not_cancellable(row), numbers={"state": row.state})
    return wire.EndPreview(
        lease=row.id,
        state=wire.LeaseState.CANCELLED,
        stops_at=None,
        refund_gpu_seconds=box(lease),
    )


def end(
    session: Session, row: Lease, lease: CoreLease, cause: Cause, *, now: float, detail: records.Detail | None = None
) -> None:
    """Ends an active lease now for that cause, which `detail` has the numbers of; what it had until then is charged."""
    stopped = advance(lease, State.ENDING, cause, Instant(math.ceil(now)))
    leases.change(session, row, stopped, generation=generation.bump(session, row.pool), at=now)
    records.event(session, row, "ending", at=now, cause=cause, detail=detail)
    edges.notify(session, row.pool)


def withdraw(
    session: Session, row: Lease, lease: CoreLease, cause: Cause, *, now: float, detail: records.Detail | None = None
) -> None:
    """Takes back what has not started for that cause; a promise's whole box is refunded."""
    cancelled = advance(lease, State.CANCELLED, cause, Instant(int(now)))
    leases.change(session, row, cancelled, generation=generation.bump(session, row.pool), at=now)
    if lease.state is State.SCHEDULED:
        commitments.post(session, [Change(before=lease, after=cancelled, cause=cause)], at=now)
        late_s = 0.0 if lease.promised_start is None else now - lease.promised_start
        promise_counts.add(session, row.pool, promises.of_withdrawal(late_s, spot=lease.is_spot))
    records.event(session, row, "cancelled", at=now, cause=cause, detail=detail)
    edges.notify(session, row.pool)


def held(lease: CoreLease) -> dict[str, Any]:
    """What a lease had before it was taken or given back, as the audit log has it."""
    return {
        "state": lease.state.value,
        "gpus": lease.gpus,
        "promised_start": records.time(lease.promised_start),
        "starts_at": records.time(lease.starts_at),
        "ends_at": records.time(lease.ends_at),
    }


def _not_releasable(row: Lease) -> str:
    hint = {
        "queued": f"cancel it instead: `dure lease cancel {row.id}`",
        "scheduled": f"cancel it instead: `dure lease cancel {row.id}`",
    }.get(row.state, "it ends by itself, and there is nothing left to release")
    return f"lease {row.id} is {row.state}; only an active lease is released, {hint}"


def _not_cancellable(row: Lease) -> str:
    hint = f"release it instead: `dure lease release {row.id}`" if row.state == "active" else "it is over already"
    return f"lease {row.id} is {row.state}; only a queued or scheduled lease is cancelled, {hint}"
