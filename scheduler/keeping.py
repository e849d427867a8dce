"""How a company keeps a lease on which nothing, or hardly anything, runs, and which would be given back."""

from dure import wire
from dure.errors import KeepsSpent, WrongState
from scheduler.actor import Actor
from scheduler.core.model import State
from scheduler.service import Service, locked_lease
from scheduler.store import attendance, audit, idling, pools, records, shown_leases
from scheduler.store.db import Session


def keep(service: Service, session: Session, lease_id: str, *, actor: Actor, now: float) -> wire.Lease:
    """Waits for its company anew, for nothing and for hardly anything.

    Raises UnknownLease; WrongState where nobody is about to give it back, which takes none of its keeps; KeepsSpent.
    """
    row, lease = locked_lease(session, lease_id, actor)
    now = max(now, service.clock())
    pool = pools.row(session, row.pool)
    found = attendance.get(session, row.id)
    waits_s = [] if found.shown_at is not None or pool.no_show_after_s is None else [pool.no_show_after_s]
    idle_after_s = idling.after_s(pool, row)
    waits_s += [] if idle_after_s is None else [idle_after_s]
    if lease.state is not State.ACTIVE or not waits_s:
        why = _nothing_to_keep(row.state, shown=pool.no_show_after_s is not None)
        raise WrongState(f"lease {row.id} need not be kept: {why}", numbers={"state": row.state})
    if (found.told_at is None or found.shown_at is not None) and found.idle_told_at is None:
        raise WrongState(
            f"lease {row.id} need not be kept now: it is not about to be given back, and its company is told before it is; it "
            f"was kept {found.kept} of {pool.keeps} times, and this is none of them",
            numbers={"state": row.state, "kept": found.kept, "keeps": pool.keeps},
        )
    if found.kept >= pool.keeps:
        raise KeepsSpent(
            f"lease {row.id} was kept {found.kept} times, and pool {row.pool} allows {pool.keeps}; start something on it, or "
            f"release it: `dure lease release {row.id}`",
            numbers={"kept": found.kept, "keeps": pool.keeps},
        )
    kept = attendance.keep(session, row.id, now=now)
    until = records.time(int(now) + min(waits_s))
    records.event(session, row, "kept", at=now, detail={"kept": kept, "keeps": pool.keeps, "until": until})
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.LEASE_KEEP,
        subject=row.id,
        at=now,
        after={"kept": kept, "until": until},
    )
    session.flush()
    return shown_leases.to_wires(session, [row])[0]


def _nothing_to_keep(state: str, *, shown: bool) -> str:
    if state != State.ACTIVE.value:
        return f"it is {state}, and only an active one is given back"
    return "something runs or ran on it" if shown else "its pool gives none back"
