"""The policy's versions: written one after the other, never changed, and read as they were."""

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session, col, select

from dure import wire
from dure.errors import UnknownPolicy
from scheduler.actor import Actor
from scheduler.store import adding, audit, pages
from scheduler.store.tables import PolicyVersion
from scheduler.store.times import to_wire


def live(session: Session) -> wire.Policy:
    """The newest version."""
    return _wire(session.exec(select(PolicyVersion).order_by(col(PolicyVersion.number).desc()).limit(1)).one())


def at(session: Session, number: int | None) -> wire.Policy:
    """A version, or the live one. Raises UnknownPolicy."""
    if number is None:
        return live(session)
    found = session.get(PolicyVersion, number)
    if found is None:
        newest = live(session).version
        raise UnknownPolicy(f"the policy has no version {number}; they go from 1 to {newest}", numbers={"live": newest})
    return _wire(found)


def page(session: Session, *, after: str | None, limit: int) -> wire.Page[wire.PolicyVersion]:
    """Newest first. Raises BadCursor."""
    query = select(PolicyVersion).order_by(col(PolicyVersion.number).desc()).limit(limit + 1)
    if after is not None:
        query = query.where(col(PolicyVersion.number) < pages.number(after))
    return pages.page(session.exec(query).all(), limit, wire=_entry, key=lambda row: str(row.number))


def alone(session: Session) -> wire.Policy:
    """The live version, which nobody else changes until this transaction ends; nor does anybody add a pool."""
    adding.alone(session, "pool")
    return live(session)


def write(
    session: Session, found: wire.PolicyPut, changes: Sequence[wire.PolicyDifference], *, actor: Actor, now: float
) -> int:
    """Makes it the version after its own, which is live and held `alone`; that number."""
    value: dict[str, Any] = found.model_dump(mode="json", exclude={"version"})
    row = PolicyVersion(
        number=found.version + 1,
        at=int(now),
        actor=str(actor),
        reason=session.info.get(audit.REASON),
        value=value,
        changes=[one.model_dump() for one in changes],
    )
    session.add(row)
    session.flush()
    return row.number


def _wire(row: PolicyVersion) -> wire.Policy:
    return wire.Policy.model_validate(
        {
            **row.value,
            "version": row.number,
            "at": to_wire(row.at),
            "actor": row.actor,
            "reason": row.reason,
        }
    )


def _entry(row: PolicyVersion) -> wire.PolicyVersion:
    return wire.PolicyVersion(
        version=row.number,
        at=to_wire(row.at),
        actor=row.actor,
        reason=row.reason,
        changes=[wire.PolicyDifference.model_validate(one) for one in row.changes],
    )
