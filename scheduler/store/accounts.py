"""What is done to a company's account itself: a budget is granted, adjusted, and what is unused expires."""

from typing import Any

from sqlalchemy import Row, text
from sqlmodel import Session

from dure import wire
from dure.errors import Overdrawn
from scheduler.actor import Actor
from scheduler.core.ledger import Period, moved, transfer
from scheduler.core.model import Instant
from scheduler.store import audit, companies, ledger, pools, statements
from scheduler.store.ledger import Entry, Owner

_CURRENT = text(
    """
    SELECT extract(epoch FROM period)::bigint AS begins_at, extract(epoch FROM period_ends)::bigint AS ends_at FROM account
    WHERE company = :company AND pool = :pool AND period <= to_timestamp(:now) AND period_ends > to_timestamp(:now)
    ORDER BY period DESC LIMIT 1
    """
)

_UNUSED = text(
    """
    SELECT company, pool, extract(epoch FROM period)::bigint AS begins_at, extract(epoch FROM period_ends)::bigint AS ends_at
    FROM account WHERE period_ends <= to_timestamp(:now) AND available > 0
    ORDER BY company, pool, period
    """
)


def grant(
    session: Session, company: str, pool: str, period: Period, gpu_seconds: int, *, cause: str, actor: Actor, now: float
) -> wire.LedgerEntry:
    """Gives a company a budget for a period, or more of it; a negative amount takes back what is available of it.

    Raises UnknownCompany, UnknownPool, Overdrawn.
    """
    entry = Entry(
        company=company,
        pool=pool,
        period=period,
        kind="grant",
        gpu_seconds=gpu_seconds,
        cause=cause,
        actor=str(actor),
    )
    return _change(session, entry, wire.AuditAction.LEDGER_GRANT, actor=actor, now=now)


def adjust(session: Session, body: wire.LedgerAdjust, *, reason: str, actor: Actor, now: float) -> wire.LedgerEntry:
    """An admin gives to the account or takes from it: that of the period that it is now, or the one without a budget.

    Raises UnknownCompany, UnknownPool, Overdrawn.
    """
    entry = Entry(
        company=body.company,
        pool=body.pool,
        period=_current(session, body.company, body.pool, now),
        kind="adjust",
        gpu_seconds=body.gpu_seconds,
        cause="adjusted",
        actor=str(actor),
        reason=reason,
    )
    return _change(session, entry, wire.AuditAction.LEDGER_ADJUST, actor=actor, now=now)


def expire(session: Session, *, now: float) -> int:
    """Takes what is still available in periods that are over out of them; how many GPU-seconds that were."""
    rows = session.connection().execute(_UNUSED, {"now": int(now)}).all()
    owners = [Owner(company=row.company, pool=row.pool, period=_period(row)) for row in rows]
    entries = [
        Entry(
            company=owner.company,
            pool=owner.pool,
            period=owner.period,
            kind="expire",
            gpu_seconds=account.balances.available,
            cause="period_over",
        )
        for owner, account in ledger.locked(session, owners).items()
    ]
    ledger.post(session, entries, at=int(now))
    return sum(entry.gpu_seconds for entry in entries)


def _change(session: Session, entry: Entry, action: wire.AuditAction, *, actor: Actor, now: float) -> wire.LedgerEntry:
    owner = entry.owner
    companies.row(session, owner.company)
    pools.row(session, owner.pool)
    account = ledger.locked(session, [owner])[owner]
    before = account.balances
    after = moved(before, transfer(entry.kind, entry.gpu_seconds, limited=owner.period is not None))
    if after.lowest < 0:
        raise _overdrawn(owner, before.available, entry.gpu_seconds)
    ledger.post(session, [entry], at=int(now))
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=f"{owner.company}/{owner.pool}",
        at=now,
        before={"available_gpu_seconds": before.available},
        after={"available_gpu_seconds": after.available, "gpu_seconds": entry.gpu_seconds},
    )
    return statements.entry(session, account.id, account.seq + 1, actor=actor)


def _overdrawn(owner: Owner, available: int, gpu_seconds: int) -> Overdrawn:
    return Overdrawn(
        f"{owner.company} has {available} GPU-seconds available in {owner.pool}, and {-gpu_seconds} are to be taken;"
        f" at most {available} can be",
        numbers={"available_gpu_seconds": available, "gpu_seconds": gpu_seconds},
    )


def _current(session: Session, company: str, pool: str, now: float) -> Period | None:
    values = {"company": company, "pool": pool, "now": int(now)}
    row = session.connection().execute(_CURRENT, values).one_or_none()
    return None if row is None else _period(row)


def _period(row: Row[Any]) -> Period:
    return Period(begins_at=Instant(row.begins_at), ends_at=Instant(row.ends_at))
