"""Quotas: what companies may hold of pools, at once and over time; reading them, and one company's being set.

Defaults and lists of them are in `scheduler.store.defaults` and `scheduler.store.imports`.
"""

from collections.abc import Collection, Iterable, Sequence
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, func, select

from dure import wire
from dure.errors import InvalidRequest, UnknownQuota
from dure.quota_clashes import clashes
from dure.wire import FieldError
from scheduler.actor import Actor
from scheduler.core import quota as core
from scheduler.core.beyond import beyond
from scheduler.core.budget import Standing, left
from scheduler.core.model import CompanyId, Instant, Lease, State
from scheduler.store import (
    audit,
    budgets,
    bulk,
    changes,
    companies,
    edges,
    generation,
    leases,
    pages,
    programme,
    quota_checks,
)
from scheduler.store.budgets import Changed, Where
from scheduler.store.tables import Audit, DefaultQuota, Quota
from scheduler.store.tables import Lease as LeaseRow
from scheduler.store.times import to_wire

CLOSED = wire.QuotaSet(gpus=0)
"""Without a default a pool is closed to who has no quota of its own."""

NOTHING = (core.Period(begins_at=Instant(0), ends_at=Instant(1), gpu_seconds=0),)
"""The periods of a budget whose term was over before there was any."""


def put(session: Session, company: str, pool: str, body: wire.QuotaSet, *, actor: Actor, now: float) -> wire.Quota:
    """Sets the company's own quota; promises already given stay.

    Raises UnknownCompany, UnknownPool, InvalidRequest, ContradictoryLimits.
    """
    companies.row(session, company)
    generation.lock(session, pool)
    write(session, pool, [(company, body)], actor=actor, now=now)
    return get(session, company, pool, now=now)


def patch(session: Session, company: str, pool: str, body: wire.QuotaPatch, *, actor: Actor, now: float) -> wire.Quota:
    """Changes what is said of the company's quota, which is its own from then on, and leaves the rest.

    Raises UnknownCompany, UnknownPool, InvalidRequest, ContradictoryLimits.
    """
    companies.row(session, company)
    generation.lock(session, pool)
    row = session.get(Quota, (company, pool))
    whole = patched(None if row is None else said_by(row), body)
    write(session, pool, [(company, whole)], actor=actor, now=now)
    return get(session, company, pool, now=now)


def patched(before: wire.QuotaSet | None, body: wire.QuotaPatch) -> wire.QuotaSet:
    """The quota with what is said changed. Raises InvalidRequest where there is none and it does not say how many GPUs."""
    if before is not None:
        return before.model_copy(update=body.changes())
    if body.gpus is None:
        raise InvalidRequest.about("gpus", "there is no quota yet; say how many GPUs at once it is for, for example 16")
    return wire.QuotaSet(**body.changes())


def remove(session: Session, company: str, pool: str, *, actor: Actor, now: float) -> wire.Quota:
    """Takes the company's own quota away: the pool's default is its from then on, or none.

    Raises UnknownCompany, UnknownPool, UnknownQuota.
    """
    companies.row(session, company)
    generation.lock(session, pool)
    row = session.get(Quota, (company, pool))
    if row is None or row.of_default:
        raise UnknownQuota(
            f"{company} has no quota of its own in pool {pool}; `dure quota show {company}` shows what it has"
        )
    default = session.get(DefaultQuota, pool)
    body = CLOSED if default is None else said_by(default)
    write(session, pool, [(company, body)], of_default=True, actor=actor, now=now)
    return get(session, company, pool, now=now)


def write(
    session: Session,
    pool: str,
    wanted: Sequence[tuple[str, wire.QuotaSet]],
    *,
    actor: Actor,
    now: float,
    of_default: bool = False,
) -> None:
    """Sets quotas of one pool, whose lock the caller holds, in one generation. Raises InvalidRequest, ContradictoryLimits."""
    rows = {row.company: row for row in _rows(session, pool, [company for company, _ in wanted])}
    zone = programme.zone(session)
    bodies = [(company, in_zone(body, zone)) for company, body in wanted]
    said = [
        _audited(session, pool, rows.get(company), (company, body), of_default=of_default, actor=actor, now=now)
        for company, body in bodies
        if not _is_same(rows.get(company), body, of_default=of_default)
    ]
    changed = [
        _put(session, pool, rows.get(company), (company, body), of_default=of_default, now=now)
        for company, body in bodies
    ]
    session.flush()
    bulk.insert(session, (Audit, said))
    budgets.change(session, Where(pool=pool, now=int(now), actor=str(actor)), changed)
    publish(session, pool, [company for company, _ in wanted], now=now)


def publish(session: Session, pool: str, of: Collection[str], *, now: float, number: int | None = None) -> None:
    """Tells the pool's book what these companies may hold now, in a generation of its own unless one is given."""
    if not of:
        return
    session.flush()
    number = generation.bump(session, pool) if number is None else number
    changes.write(session, pool, number, core_quotas(session, pool, of), at=now)
    edges.notify(session, pool)


def forget(session: Session, pool: str, of: Collection[str], *, now: float) -> None:
    """Decisions look no more at the periods of these companies' budgets that are over by now."""
    for row in _rows(session, pool, of):
        row.since = int(now)
        session.add(row)
    publish(session, pool, of, now=now)


def budgeted(session: Session, pool: str, of: Collection[str] | None = None) -> list[tuple[str, wire.Budget]]:
    """Which companies have a budget in the pool, and what it is."""
    return [(row.company, body.budget) for row in _rows(session, pool, of) if (body := said_by(row)).budget is not None]


def core_quotas(session: Session, pool: str, of: Collection[str] | None = None) -> list[core.Quota]:
    """As decisions look at them: all of the pool, or of these companies."""
    rows = {row.company: row for row in _rows(session, pool, of)}
    limited = [name for name, row in rows.items() if row.limits.get("budget")]
    since = min((rows[name].since for name in limited), default=0)
    known = budgets.accounts_of(session, limited, pool, since=since)
    return [_core(row, known.get(name, ())) for name, row in rows.items()]


def get(session: Session, company: str, pool: str, *, now: float) -> wire.Quota:
    """A quota that is there, with what stands against it."""
    return _wire(session, session.get_one(Quota, (company, pool)), now)


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


def of_beyond(session: Session, pool: str, of: Collection[str], *, now: float) -> list[tuple[Lease, wire.Beyond]]:
    """Promises that were given and are beyond these companies' quotas as they are."""
    booked = {company: held for company, held in leases.booked(session, pool, of).items() if held}
    return [
        found
        for quota in core_quotas(session, pool, list(booked))
        for found in _beyond(quota, booked[quota.company], now)
    ]


def _put(
    session: Session, pool: str, row: Quota | None, wanted: tuple[str, wire.QuotaSet], *, of_default: bool, now: float
) -> Changed:
    company, body = wanted
    before = None if row is None else said_by(row)
    was, budget = None if before is None else budgets.parsed(before.budget), budgets.parsed(body.budget)
    if not of_default:
        quota_checks.refuse(quota_checks.mistakes(before, body, now))
    row = row or Quota(company=company, pool=pool, gpus=body.gpus, since=int(now))
    row.gpus, row.limits, row.of_default = body.gpus, limits(body), of_default
    if was != budget:
        row.since = int(now)
    session.add(row)
    return Changed(company=company, before=was, after=budget)


def _is_same(row: Quota | None, body: wire.QuotaSet, *, of_default: bool) -> bool:
    """Setting it changes nothing, so the audit log has nothing to say of it."""
    return row is not None and row.of_default == of_default and said_by(row) == body


def _audited(
    session: Session,
    pool: str,
    row: Quota | None,
    wanted: tuple[str, wire.QuotaSet],
    *,
    of_default: bool,
    actor: Actor,
    now: float,
) -> bulk.Row:
    company, body = wanted
    return audit.row(
        actor=actor,
        action=wire.AuditAction.QUOTA_SET,
        subject=f"{company}/{pool}",
        at=now,
        before=None if row is None else _of(said_by(row), of_default=row.of_default),
        after=_of(body, of_default=of_default),
        request_id=session.info.get(audit.REQUEST_ID),
        reason=session.info.get(audit.REASON),
    )


def _of(body: wire.QuotaSet, *, of_default: bool) -> dict[str, object]:
    return shown(body) | ({"of_default": True} if of_default else {})


def warnings(body: wire.QuotaSet) -> list[FieldError]:
    """Its limits that have no use beside the others."""
    return [FieldError(field=one.field, message=one.said) for one in clashes(body)]


def in_zone(body: wire.QuotaSet, zone: ZoneInfo) -> wire.QuotaSet:
    """With the zone in which the periods of its budget begin, which is the programme's unless it says one."""
    budget = body.budget
    if budget is None or budget.zone is not None or budget.period == "term":
        return body
    return body.model_copy(update={"budget": budget.model_copy(update={"zone": zone.key})})


def limits(body: wire.QuotaSet) -> dict[str, object]:
    """What it says beside GPUs at once."""
    return {name: value for name, value in shown(body).items() if name != "gpus"}


def shown(body: wire.QuotaSet) -> dict[str, object]:
    """What it limits, as JSON."""
    return body.model_dump(mode="json", exclude_none=True)


def said_by(row: Quota | DefaultQuota) -> wire.QuotaSet:
    """What was set."""
    return wire.QuotaSet(gpus=row.gpus, **row.limits)


def _rows(session: Session, pool: str, of: Collection[str] | None) -> Iterable[Quota]:
    query = select(Quota).where(col(Quota.pool) == pool).order_by(col(Quota.company))
    if of is not None:
        query = query.where(col(Quota.company).in_(of))
    return session.exec(query).all()


def _core(row: Quota, accounts: Sequence[budgets.Account]) -> core.Quota:
    body = said_by(row)
    periods: tuple[core.Period, ...] = ()
    if body.budget is not None:
        periods = budgets.core_periods(accounts, row.since) or NOTHING
    return core.Quota(
        company=CompanyId(row.company),
        gpus=body.gpus,
        longest_s=body.longest_s,
        furthest_s=body.furthest_s,
        ahead_gpu_seconds=body.ahead_gpu_seconds,
        open_asks=body.open_asks,
        periods=periods,
    )


def _wire(session: Session, row: Quota, now: float) -> wire.Quota:
    booked = leases.booked(session, row.pool, [row.company])[row.company]
    steps, [quota] = core.held(booked), core_quotas(session, row.pool, [row.company])
    standing = Standing.of(quota, booked)
    return wire.Quota(
        **dict(said_by(row)),
        company=row.company,
        pool=row.pool,
        of_default=row.of_default,
        held_gpus=steps.at(int(now)),
        booked_gpus=max(steps.since(int(now)).values),
        booked_ahead_gpu_seconds=standing.ahead_gpu_seconds,
        open=standing.waiting + queued(session, row.pool, [row.company]).get(row.company, 0),
        periods=list(_standings(quota, standing)),
        beyond=[said for _, said in _beyond(quota, booked, now)],
        warnings=warnings(said_by(row)),
    )


def queued(session: Session, pool: str, of: Collection[str]) -> dict[str, int]:
    """How many asks of each of these companies wait in the pool's queue."""
    query = (
        select(LeaseRow.company, func.count())
        .where(col(LeaseRow.pool) == pool, col(LeaseRow.state) == State.QUEUED.value, col(LeaseRow.company).in_(of))
        .group_by(col(LeaseRow.company))
    )
    return dict(session.exec(query).all())


def _standings(quota: core.Quota, standing: Standing) -> Iterable[wire.BudgetStanding]:
    found = {(begins_at, ends_at): more for begins_at, ends_at, more in left(quota, standing)}
    for one, booked in zip(quota.periods, standing.booked, strict=True):
        yield wire.BudgetStanding(
            begins_at=to_wire(one.begins_at),
            ends_at=to_wire(one.ends_at),
            gpu_seconds=one.gpu_seconds,
            spent_gpu_seconds=one.spent,
            booked_gpu_seconds=booked,
            left_gpu_seconds=found[one.begins_at, one.ends_at],
        )


def _beyond(quota: core.Quota, booked: Sequence[Lease], now: float) -> Iterable[tuple[Lease, wire.Beyond]]:
    for one in beyond(quota, booked, Instant(int(now))):
        yield (
            one.lease,
            wire.Beyond(
                lease=one.lease.id,
                starts_at=to_wire(one.lease.starts_at or 0),
                ends_at=to_wire(one.lease.ends_at or 0),
                gpus=one.lease.gpus,
                limit=one.limit,
            ),
        )
