"""Shares of pools, and groups of companies."""

from collections.abc import Iterator

from sqlmodel import Session, col, select

from dure import wire
from dure.errors import UnknownGroup
from scheduler.actor import Actor
from scheduler.core import shares as core
from scheduler.core.codec import Item
from scheduler.core.model import CompanyId
from scheduler.store import audit, changes, companies, edges, generation
from scheduler.store.tables import Share, ShareGroup

NOTHING = 0
"""A share of none in the log of a book takes it away."""


def items(session: Session, pool: str) -> Iterator[core.Group | core.Share]:
    """What the pool's book has of them."""
    for group in session.exec(select(ShareGroup).where(col(ShareGroup.pool) == pool).order_by(col(ShareGroup.name))):
        yield core.Group(name=group.name, shares=group.shares)
    for row in session.exec(select(Share).where(col(Share.pool) == pool).order_by(col(Share.company))):
        yield _core(row.company, row.shares, row.share_group)


def put(session: Session, company: str, pool: str, body: wire.ShareSet, *, actor: Actor, now: float) -> wire.Share:
    """Sets a company's shares, and its group; promises already given stay.

    Raises UnknownCompany, UnknownPool, UnknownGroup.
    """
    companies.row(session, company)
    generation.lock(session, pool)
    if body.group is not None and session.get(ShareGroup, (pool, body.group)) is None:
        raise UnknownGroup(
            f"pool {pool} has no group {body.group}; an admin makes it with `dure share group {pool} {body.group} --shares 1`"
        )
    found = session.get(Share, (company, pool))
    before = None if found is None else {"shares": found.shares, "group": found.share_group}
    if found is None:
        found = Share(company=company, pool=pool, shares=body.shares)
    found.shares, found.share_group = body.shares, body.group
    session.add(found)
    session.flush()
    _written(session, pool, _core(company, body.shares, body.group), now)
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.SHARE_SET,
        subject=f"{company}/{pool}",
        at=now,
        before=before,
        after=body.model_dump(),
    )
    return wire.Share(company=company, pool=pool, shares=body.shares, group=body.group)


def remove(session: Session, company: str, pool: str, *, actor: Actor, now: float) -> wire.Share:
    """Takes a company's shares away: it has the default then. Where it has none, nothing changes.

    Raises UnknownCompany, UnknownPool.
    """
    companies.row(session, company)
    generation.lock(session, pool)
    found = session.get(Share, (company, pool))
    without = wire.Share(company=company, pool=pool, shares=core.DEFAULT_SHARES, group=None)
    if found is None:
        return without
    before = {"shares": found.shares, "group": found.share_group}
    session.delete(found)
    session.flush()
    _written(session, pool, _core(company, NOTHING, None), now)
    subject = f"{company}/{pool}"
    audit.record(session, actor=actor, action=wire.AuditAction.SHARE_REMOVE, subject=subject, at=now, before=before)
    return without


def put_group(
    session: Session, pool: str, name: str, body: wire.ShareGroupSet, *, actor: Actor, now: float
) -> wire.ShareGroup:
    """Makes a group, or gives it other shares. Raises UnknownPool."""
    generation.lock(session, pool)
    found = session.get(ShareGroup, (pool, name))
    before = None if found is None else {"shares": found.shares}
    if found is None:
        found = ShareGroup(pool=pool, name=name, shares=body.shares)
    found.shares = body.shares
    session.add(found)
    session.flush()
    _written(session, pool, core.Group(name=name, shares=body.shares), now)
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.SHARE_GROUP,
        subject=f"{pool}/{name}",
        at=now,
        before=before,
        after=body.model_dump(),
    )
    return wire.ShareGroup(pool=pool, name=name, shares=body.shares)


def _core(company: str, shares: int, group: str | None) -> core.Share:
    return core.Share(company=CompanyId(company), shares=shares, group=group or "")


def _written(session: Session, pool: str, item: Item, now: float) -> None:
    changes.write(session, pool, generation.bump(session, pool), [item], at=now)
    edges.notify(session, pool)
