"""What is due: leases, queued asks, GPUs and nodes at which something has to be done now, and the next such instant.

`pools` and `next_edge` read without locks, so that a turn with nothing to do disturbs nobody.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, text
from sqlmodel import col, func, select

from scheduler.core import model
from scheduler.store import leases, receiving
from scheduler.store.db import Session
from scheduler.store.heard import BACK_WITHIN_S
from scheduler.store.tables import Allocation, Decision, Gpu, Lease, Node, Pool, Violation

RENEWED_AGAIN_S = 60
"""How often a renewal that was refused is tried again, until extending closes."""

BATCH = 200
"""Leases a transaction, so that a minute with thousands of starts holds no lock for long."""

Due = list[tuple[Lease, model.Lease]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DuePool:
    """A pool, its generation, and what is to be done in it."""

    pool: str
    generation: int
    endings: bool
    stops: bool
    starts: bool
    expiries: bool
    queued: bool
    movable: bool
    renewals: bool
    budgets: bool


_CLOSES_S = "least(pool.extension_closes_s, lease.duration_s / 2)"
_OPENS_S = f"({_CLOSES_S} + least(pool.renews_before_s, lease.duration_s / 4))"
"""A lease that renews itself is extended so long before its end: before extending closes, by the pool's policy or by a
quarter of its box if that is shorter.
"""
_RENEWAL_DUE = f"""
    lease.state = 'active' AND lease.renew_s IS NOT NULL
    AND lease.stops_at <= to_timestamp(:now) + {_OPENS_S} * interval '1 second'
    AND (lease.renewal_refused_at IS NULL
         OR lease.renewal_refused_at <= to_timestamp(:now) - {RENEWED_AGAIN_S} * interval '1 second'
            AND lease.stops_at > to_timestamp(:now) + {_CLOSES_S} * interval '1 second')
"""
"""One that was missed, as nobody was there, is due once though extending has closed: its company is told."""

_LEFT = """
    SELECT a.company FROM account a
    WHERE a.pool = {pool} AND a.period IS NOT NULL AND NOT a.void AND a.available > 0 AND a.period_ends <= to_timestamp(:now)
"""
"""Whose periods are over and have something left. That there is none is seen soon only in order of the index."""
_LOOKED_AT = """
    SELECT q.company FROM quota q CROSS JOIN LATERAL (
        SELECT a.period_ends FROM account a
        WHERE a.company = q.company AND a.pool = q.pool AND a.period < to_timestamp(:now) AND NOT a.void
        ORDER BY a.period DESC LIMIT 2
    ) a
    WHERE q.pool = {pool} AND q.limits ? 'budget' AND a.period_ends > q.since AND a.period_ends <= to_timestamp(:now)
"""
"""Whose decisions look at a period that is over still: the newest of those is the last one that began or the one before it."""

_BUDGETS = text(f"{_LEFT.format(pool=':pool')} UNION {_LOOKED_AT.format(pool=':pool')} ORDER BY company")

_POOLS = text(
    f"""
    SELECT p.name AS pool, p.generation,
        EXISTS (SELECT FROM lease WHERE pool = p.name AND state = 'active'
                AND stops_at <= to_timestamp(:now) + least(p.grace_s, duration_s / 2) * interval '1 second') AS endings,
        EXISTS (SELECT FROM lease WHERE pool = p.name AND state IN ('active', 'ending')
                AND stops_at <= to_timestamp(:now)) AS stops,
        EXISTS (SELECT FROM lease WHERE pool = p.name AND state = 'scheduled'
                AND starts_at <= to_timestamp(:now)) AS starts,
        EXISTS (SELECT FROM lease WHERE pool = p.name AND state = 'queued'
                AND coalesce(start_by, start) < to_timestamp(:now)) AS expiries,
        EXISTS (SELECT FROM lease WHERE pool = p.name AND state = 'queued') AS queued,
        EXISTS (SELECT FROM lease WHERE pool = p.name AND (state = 'scheduled'
                OR state = 'active' AND tier = 'spot' AND stops_at < ends_at)) AS movable,
        EXISTS (SELECT FROM lease JOIN pool ON pool.name = lease.pool
                WHERE pool.name = p.name AND {_RENEWAL_DUE}) AS renewals,
        ({_LEFT.format(pool="p.name")} ORDER BY a.period_ends LIMIT 1) IS NOT NULL OR EXISTS ({_LOOKED_AT.format(pool="p.name")}) AS budgets
    FROM pool p ORDER BY p.name
    """
)

_NEXT = text(
    f"""
    SELECT extract(epoch FROM least(
        (SELECT min(starts_at) FROM lease WHERE state = 'scheduled' AND starts_at > to_timestamp(:now)),
        (SELECT min(l.stops_at - least(p.grace_s, l.duration_s / 2) * interval '1 second')
           FROM lease l JOIN pool p ON p.name = l.pool WHERE l.state = 'active'),
        (SELECT min(stops_at) FROM lease WHERE state IN ('active', 'ending')),
        (SELECT min(lease.stops_at - {_OPENS_S} * interval '1 second') FROM lease JOIN pool ON pool.name = lease.pool
          WHERE lease.state = 'active' AND lease.renew_s IS NOT NULL
            AND lease.stops_at > to_timestamp(:now) + {_OPENS_S} * interval '1 second'),
        (SELECT min(a.period_ends) FROM pool p CROSS JOIN LATERAL (
            SELECT period_ends FROM account
            WHERE pool = p.name AND period IS NOT NULL AND NOT void AND period_ends > to_timestamp(:now)
            ORDER BY period_ends LIMIT 1) a),
        (SELECT min(coalesce(start_by, start)) + interval '1 second' FROM lease WHERE state = 'queued')
    ))::float8
    """
)


def pools(session: Session, *, now: float) -> list[DuePool]:
    """Every pool, by name."""
    return [DuePool(**row) for row in session.connection().execute(_POOLS, {"now": int(now)}).mappings()]


def next_edge(session: Session, *, now: float) -> float | None:
    """Unix seconds; None when no row has one."""
    return session.connection().execute(_NEXT, {"now": now}).scalar_one()


def starts(session: Session, pool: str, *, now: float, after: str) -> Due:
    """Scheduled leases whose start has come, locked, by id from `after` on, `BATCH` at most."""
    query = (
        select(Lease)
        .where(col(Lease.pool) == pool, col(Lease.state) == "scheduled", col(Lease.starts_at) <= int(now))
        .where(col(Lease.id) > after)
        .order_by(col(Lease.id))
        .limit(BATCH)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return leases.with_core(session, session.exec(query).all())


def endings(session: Session, pool: str, *, now: float, grace_s: int) -> Due:
    """Active leases whose grace has begun, locked. The grace is at most half of a box, so that a short one has a middle."""
    grace = func.least(grace_s, col(Lease.duration_s) / 2)
    return _stopping(session, pool, "active", func.extract("epoch", col(Lease.stops_at)) - grace <= int(now))


def stops(session: Session, pool: str, *, now: float) -> Due:
    """Ending leases that stop now, locked."""
    return _stopping(session, pool, "ending", col(Lease.stops_at) <= int(now))


def _stopping(session: Session, pool: str, state: str, when: ColumnElement[bool]) -> Due:
    """The first to stop first, `BATCH` at most."""
    query = (
        select(Lease)
        .where(col(Lease.pool) == pool, col(Lease.state) == state, when)
        .order_by(col(Lease.stops_at), col(Lease.id))
        .limit(BATCH)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return leases.with_core(session, session.exec(query).all())


def renewals(session: Session, pool: str, *, now: float) -> Due:
    """Active leases whose renewal is to be tried, or whose company is to be told that it was missed, locked."""
    query = (
        select(Lease)
        .join(Pool, col(Pool.name) == col(Lease.pool))
        .where(col(Lease.pool) == pool, text(_RENEWAL_DUE).bindparams(now=int(now)))
        .order_by(col(Lease.stops_at), col(Lease.id))
        .limit(BATCH)
        .with_for_update(of=Lease)
        .execution_options(populate_existing=True)
    )
    return leases.with_core(session, session.exec(query).all())


def expired(session: Session, pool: str, *, now: float) -> Due:
    """Queued asks whose last start is past, locked, in order of arrival."""
    last = func.coalesce(col(Lease.start_by), col(Lease.start))
    query = (
        select(Lease)
        .where(col(Lease.pool) == pool, col(Lease.state) == "queued", func.extract("epoch", last) < int(now))
        .order_by(col(Lease.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return leases.with_core(session, session.exec(query).all())


def budgets(session: Session, pool: str, *, now: float) -> list[str]:
    """Companies of whose budget a period is over, and has not been closed yet or has something left again."""
    return list(session.connection().execute(_BUDGETS, {"pool": pool, "now": int(now)}).scalars())


def queue(session: Session, pool: str) -> list[model.LeaseId]:
    """Whose asks are queued, in no order: to see what is different there since a look before."""
    found = session.connection().execute(select(Lease.id).where(col(Lease.pool) == pool, col(Lease.state) == "queued"))
    return [model.LeaseId(id_) for id_ in found.scalars()]


def reasons(session: Session, only: Iterable[str]) -> dict[model.LeaseId, str]:
    """What these queued asks wait for, by the code of the newest decision of each."""
    query = select(Lease.id, Decision.code).join(Decision, col(Decision.id) == col(Lease.decision))
    found = session.connection().execute(query.where(col(Lease.id).in_(list(only)))).all()
    return {model.LeaseId(id_): code for id_, code in found}


def rivals(session: Session, pool: str) -> list[model.CompanyId]:
    """Whose queued asks wait for GPUs that others have, or for their company's turn, and not for what is its own to change."""
    codes = [model.Code.WAITS_FOR_CAPACITY.value, model.Code.WAITS_FOR_SHARE.value]
    query = select(Lease.company).join(Decision, col(Decision.id) == col(Lease.decision)).distinct()
    waiting = query.where(col(Lease.pool) == pool, col(Lease.state) == "queued", col(Decision.code).in_(codes))
    return sorted(model.CompanyId(name) for name in session.connection().execute(waiting).scalars())


def asks(
    session: Session, pool: str, only: Sequence[str] | None = None
) -> list[tuple[model.LeaseId, model.Ask, model.Instant]]:
    """Queued asks in order of arrival, each with when it was asked; all, or `only` these."""
    query = (
        select(Lease)
        .where(col(Lease.pool) == pool, col(Lease.state) == "queued")
        .order_by(col(Lease.asked_at), col(Lease.id))
        .execution_options(populate_existing=True)
    )
    if only is not None:
        query = query.where(col(Lease.id).in_(only))
    return [(model.LeaseId(row.id), leases.ask(row), model.Instant(row.asked_at)) for row in session.exec(query)]


_LIVE = select(Allocation.gpu).where(col(Allocation.closed_at).is_(None))
_VIOLATED = select(Violation.gpu).where(col(Violation.ended_at).is_(None))


def unproved(session: Session, *, now: float) -> list[str]:
    """GPUs that are not empty, nor quarantined yet: not proved so though their gap is over, or held by nobody while somebody is on
    them whom no lease explains. A gap runs from when a GPU was taken from its lease: late where we were down, early where the
    lease gave it back.
    """
    gap_over = (
        select(Allocation.gpu)
        .join(Lease, col(Lease.id) == col(Allocation.lease))
        .join(Pool, col(Pool.name) == col(Lease.pool))
        .where(
            col(Allocation.closed_at).is_(None),
            func.extract("epoch", col(Allocation.ended_at)) + col(Pool.gap_s) <= int(now),
        )
    )
    intruded = col(Gpu.uuid).in_(_VIOLATED) & col(Gpu.pool).is_not(None) & col(Gpu.uuid).not_in(_LIVE)
    query = (
        select(Gpu.uuid).where(~col(Gpu.quarantined), col(Gpu.uuid).in_(gap_over) | intruded).order_by(col(Gpu.uuid))
    )
    return list(session.exec(query).all())


def proved(session: Session) -> list[str]:
    """Quarantined GPUs whose allocation is closed, and on which nobody is: they were shown empty after all."""
    free = col(Gpu.uuid).not_in(_LIVE) & col(Gpu.uuid).not_in(_VIOLATED)
    return list(session.exec(select(Gpu.uuid).where(col(Gpu.quarantined), free).order_by(col(Gpu.uuid))).all())


def silent(session: Session) -> list[str]:
    """Nodes that should have reported by now. Silence is counted in the time that replicas listened, whatever the clocks say; who
    was heard just now by them is not silent either, as a replica of the release before notes that alone. A node that was heard
    before the newest break, not after, has the time to come back: in one stretch, or once in all of its silence.
    """
    heard = receiving.stretch(session)
    last, after_s = func.extract("epoch", col(Node.last_report_at)), col(Node.silent_after_s)
    silence_s = heard.listened_s - col(Node.listened_s)
    had_time = (heard.until - heard.since > func.greatest(after_s, BACK_WITHIN_S)) | (
        silence_s > after_s + BACK_WITHIN_S
    )
    late = (silence_s > after_s) & (func.abs(heard.until - last) > after_s) & ((last >= heard.since) | had_time)
    query = select(Node.name).where(col(Node.state) == "ok", late)
    return list(session.exec(query.order_by(col(Node.name))).all())
