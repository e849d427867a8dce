"""Reading the ledger: the entries of a company's accounts in a pool, newest period and newest entry first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlmodel import Session

from dure import wire
from dure.errors import BadCursor, InvalidRequest
from dure.wire import Role
from scheduler.actor import Actor
from scheduler.store import companies, pages, pools
from scheduler.store.times import from_wire, to_wire

NO_PERIOD = -1
"""Stands for no period where periods are ordered: it comes before all of them."""

_ACCOUNT = """
    SELECT id, company, pool, coalesce(extract(epoch FROM period)::bigint, -1) AS period,
        extract(epoch FROM period_ends)::bigint AS period_ends
    FROM account
"""

_ENTRY = """
    a.company, a.pool, a.period, a.period_ends, e.seq, extract(epoch FROM e.at)::bigint AS at, e.kind, e.debit, e.credit,
    e.gpu_seconds, e.lease, e.cause, e.actor, e.reason, e.granted, e.available, e.committed, e.spent, e.expired
"""

_PAGE = text(
    f"""
    SELECT {_ENTRY}
    FROM ({_ACCOUNT} WHERE company = :company AND pool = :pool) a
    CROSS JOIN LATERAL (
        SELECT * FROM ledger_entry e
        WHERE e.account = a.id AND a.period <= :before_period
          AND e.seq < CASE WHEN a.period = :before_period THEN :before ELSE 9223372036854775807 END
          AND (CAST(:lease AS text) IS NULL OR e.lease = :lease)
          AND (CAST(:since AS bigint) IS NULL OR e.at >= to_timestamp(:since))
          AND (CAST(:until AS bigint) IS NULL OR e.at < to_timestamp(:until))
        ORDER BY e.seq DESC LIMIT :limit
    ) e
    ORDER BY a.period DESC, e.seq DESC LIMIT :limit
    """
)
"""Each account gives no more than a page, so that it is as quick over a million entries."""

_ONE = text(
    f"SELECT {_ENTRY} FROM ({_ACCOUNT} WHERE id = :account) a JOIN ledger_entry e ON e.account = a.id AND e.seq = :seq"
)

_FIRST = (1 << 62, 1 << 62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries are read: of a company in a pool, of one lease if said, over `[since, until)`."""

    company: str | None
    pool: str
    lease: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def page(
    session: Session, wanted: Wanted, *, actor: Actor, after: str | None, limit: int
) -> wire.Page[wire.LedgerEntry]:
    """A company reads its own. Raises UnknownCompany, UnknownPool, InvalidRequest, BadCursor."""
    company = actor.company or wanted.company
    if company is None:
        raise InvalidRequest.about("company", "say whose ledger, for example company=acme")
    companies.row(session, company)
    pools.row(session, wanted.pool)
    before_period, before = _FIRST if after is None else _place(after)
    values = {
        "company": company,
        "pool": wanted.pool,
        "lease": wanted.lease,
        "since": from_wire(wanted.since),
        "until": from_wire(wanted.until),
        "before_period": before_period,
        "before": before,
        "limit": limit + 1,
    }
    rows = session.connection().execute(_PAGE, values).all()
    return pages.page(rows, limit, wire=lambda row: _wire(row, actor), key=lambda row: f"{row.period}.{row.seq}")


def entry(session: Session, account: int, number: int, *, actor: Actor) -> wire.LedgerEntry:
    """One that is there."""
    return _wire(session.connection().execute(_ONE, {"account": account, "seq": number}).one(), actor)


def period(begins_at: int, ends_at: int | None) -> wire.LedgerPeriod | None:
    if ends_at is None:
        return None
    return wire.LedgerPeriod(begins_at=to_wire(begins_at), ends_at=to_wire(ends_at))


def _place(cursor: str) -> tuple[int, int]:
    begins_at, dot, number = cursor.partition(".")
    if not dot:
        raise BadCursor()
    return NO_PERIOD if begins_at == str(NO_PERIOD) else pages.number(begins_at), pages.number(number)


def _wire(row: Row[Any], actor: Actor) -> wire.LedgerEntry:
    return wire.LedgerEntry(
        company=row.company,
        pool=row.pool,
        period=period(row.period, row.period_ends),
        number=row.seq,
        at=to_wire(row.at),
        kind=row.kind,
        debit=row.debit,
        credit=row.credit,
        gpu_seconds=row.gpu_seconds,
        lease=row.lease,
        cause=row.cause,
        actor=row.actor.partition(":")[0] if row.actor and actor.role is Role.COMPANY else row.actor,
        reason=row.reason,
        after=balances(row),
    )


def balances(row: Row[Any]) -> wire.LedgerBalances:
    """Of columns with the names of the balances."""
    return wire.LedgerBalances(
        granted_gpu_seconds=row.granted,
        available_gpu_seconds=row.available,
        committed_gpu_seconds=row.committed,
        spent_gpu_seconds=row.spent,
        expired_gpu_seconds=row.expired,
    )
