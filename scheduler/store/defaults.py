"""Defaults: what companies without a quota of their own may hold in a pool. Each has it as its quota, and follows it."""

from sqlmodel import Session, col, select

from dure import wire
from dure.errors import UnknownQuota
from scheduler.actor import Actor
from scheduler.store import adding, audit, generation, programme, quota_checks, quotas
from scheduler.store.tables import Company, DefaultQuota, Quota


def put(session: Session, pool: str, body: wire.QuotaSet, *, actor: Actor, now: float) -> wire.QuotaOf:
    """Sets the pool's default, and with it the quota of everybody who has none of its own.

    Raises UnknownPool, InvalidRequest, ContradictoryLimits.
    """
    adding.alone(session, "company")
    generation.lock(session, pool)
    body = quotas.in_zone(body, programme.zone(session))
    row = session.get(DefaultQuota, pool)
    before = None if row is None else quotas.said_by(row)
    quota_checks.refuse(quota_checks.mistakes(before, body, now))
    row = row or DefaultQuota(pool=pool, gpus=body.gpus)
    row.gpus, row.limits = body.gpus, quotas.limits(body)
    session.add(row)
    _record(session, pool, before, body, wire.AuditAction.QUOTA_DEFAULT, actor=actor, now=now)
    _follow(session, pool, body, actor=actor, now=now)
    return wire.QuotaOf(pool=pool, **dict(body))


def remove(session: Session, pool: str, *, actor: Actor, now: float) -> wire.QuotaOf:
    """Takes the pool's default away, and closes the pool to everybody who followed it. What it was.

    Raises UnknownPool, UnknownQuota.
    """
    adding.alone(session, "company")
    generation.lock(session, pool)
    row = session.get(DefaultQuota, pool)
    if row is None:
        raise UnknownQuota(f"pool {pool} has no default; `dure quota export` shows those there are")
    before = quotas.said_by(row)
    session.delete(row)
    _record(session, pool, before, None, wire.AuditAction.QUOTA_REMOVE, actor=actor, now=now)
    _follow(session, pool, quotas.CLOSED, actor=actor, now=now)
    return wire.QuotaOf(pool=pool, **dict(before))


def welcome(session: Session, company: str, *, actor: Actor, now: float) -> None:
    """Gives a company that was just added every pool's default."""
    rows = session.exec(select(DefaultQuota).order_by(col(DefaultQuota.pool))).all()
    for row in rows:
        generation.lock(session, row.pool)
        body = quotas.said_by(row)
        quotas.write(session, row.pool, [(company, body)], of_default=True, actor=actor, now=now)


def followers(session: Session, pool: str) -> list[str]:
    """Companies without a quota of their own in the pool."""
    own = select(Quota.company).where(col(Quota.pool) == pool, ~col(Quota.of_default))
    return list(session.exec(select(Company.name).where(col(Company.name).not_in(own)).order_by(col(Company.name))))


def _follow(session: Session, pool: str, body: wire.QuotaSet, *, actor: Actor, now: float) -> None:
    wanted = [(company, body) for company in followers(session, pool)]
    quotas.write(session, pool, wanted, of_default=True, actor=actor, now=now)


def _record(
    session: Session,
    pool: str,
    before: wire.QuotaSet | None,
    after: wire.QuotaSet | None,
    action: wire.AuditAction,
    *,
    actor: Actor,
    now: float,
) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=pool,
        at=now,
        before=None if before is None else quotas.shown(before),
        after=None if after is None else quotas.shown(after),
    )
