"""Promises taken back because their company's quota was lowered: never unasked, each by its name, all or none.

In the caller's transaction, under the locks of the pools, once the quotas are set.
"""

from collections.abc import Collection, Mapping, Sequence

from dure import wire
from dure.errors import NotBeyond
from scheduler import endings
from scheduler.actor import Actor
from scheduler.core.model import Cause, State
from scheduler.core.model import Lease as CoreLease
from scheduler.store import audit, quotas
from scheduler.store.db import Session
from scheduler.store.tables import Lease


def revoke(
    session: Session, named: Sequence[str], of: Mapping[str, Collection[str]], *, actor: Actor, now: float
) -> list[str]:
    """Takes back these leases, which are beyond the quotas of these companies, by pool; their ids.

    Raises NotBeyond where one is not: it has started meanwhile, is within the quota, or of somebody else.
    """
    found: dict[str, tuple[CoreLease, wire.Beyond]] = {}
    if named:
        for pool, companies in of.items():
            found |= {said.lease: (lease, said) for lease, said in quotas.of_beyond(session, pool, companies, now=now)}
    _check(named, found)
    for id_ in dict.fromkeys(named):
        lease, said = found[id_]
        _revoke(session, lease, said, actor, now)
    session.flush()
    return list(dict.fromkeys(named))


def _check(named: Sequence[str], found: Mapping[str, object]) -> None:
    wrong = [id_ for id_ in named if id_ not in found]
    if wrong:
        could = ", ".join(found) or "none"
        raise NotBeyond(
            f"{', '.join(wrong)}: not beyond the quota, so it is not revoked, and nothing was changed; beyond it: {could}",
            numbers={"not_beyond": ", ".join(wrong), "beyond": could},
        )


def _revoke(session: Session, lease: CoreLease, said: wire.Beyond, actor: Actor, now: float) -> None:
    assert lease.state is State.SCHEDULED
    row, detail = session.get_one(Lease, lease.id), {"limit": said.limit}
    endings.withdraw(session, row, lease, Cause.REVOKED, now=now, detail=detail)
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.LEASE_REVOKE,
        subject=row.id,
        at=now,
        before=endings.held(lease),
        after={"state": row.state, **detail},
    )
