"""Quotas: how many GPUs of a pool a company may hold at once."""

from sqlmodel import Session, col, select

from dure import wire
from scheduler.actor import Actor
from scheduler.core import quota as limits
from scheduler.core.model import CompanyId, Lease
from scheduler.store import audit, changes, companies, edges, generation, leases, pages
from scheduler.store.tables import Quota


def put(session: Session, company: str, pool: str, body: wire.QuotaSet, *, actor: Actor, now: float) -> wire.Quota:
    """Sets the quota; promises already given stay. Raises UnknownCompany, UnknownPool."""
    companies.row(session, company)
    generation.lock(session, pool)
    found = session.get(Quota, (company, pool))
    before = None if found is None else {"gpus": found.gpus}
    if found is None:
        found = Quota(company=company, pool=pool, gpus=body.gpus)
    found.gpus = body.gpus
    session.add(found)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.QUOTA_SET,
        subject=f"{company}/{pool}",
        at=now,
        before=before,
        after=body.model_dump(),
    )
    number = generation.bump(session, pool)
    changes.write(session, pool, number, [limits.Quota(company=CompanyId(company), gpus=body.gpus)], at=now)
    edges.notify(session, pool)
    return _wire(session, found, now)


def page(session: Session, company: str, *, after: str | None, limit: int, now: float) -> wire.Page[wire.Quota]:
    """By pool. Raises UnknownCompany."""
    companies.row(session, company)
    query = (
        select(Quota)
        .where(col(Quota.company) == company, col(Quota.pool) > (after or ""))
        .order_by(col(Quota.pool))
        .limit(limit + 1)
    )
    return pages.page(
        session.exec(query).all(), limit, wire=lambda row: _wire(session, row, now), key=lambda row: row.pool
    )


def _wire(session: Session, row: Quota, now: float) -> wire.Quota:
    booked: list[Lease] = leases.booked(session, company=row.company, pool=row.pool)
    steps = limits.held(booked)
    return wire.Quota(
        company=row.company,
        pool=row.pool,
        gpus=row.gpus,
        held_gpus=steps.at(int(now)),
        booked_gpus=max(steps.since(int(now)).values),
    )
