"""How pools promise."""

from dure import wire
from scheduler.actor import Actor
from scheduler.service import Service
from scheduler.store import audit, books, pools
from scheduler.store.db import Session


def change_policy(
    service: Service, session: Session, pool: str, body: wire.PolicyChange, *, actor: Actor, now: float
) -> wire.Pool:
    """Changes what is said of how the pool promises; what is promised stays. Raises UnknownPool."""
    row, before = pools.change_policy(session, pool, body)
    service.replan(session, pool, now=now, items=[books.policy(row)])
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.POOL_POLICY,
        subject=pool,
        at=now,
        before=before,
        after=body.said(),
    )
    session.flush()
    return pools.get(session, pool)
