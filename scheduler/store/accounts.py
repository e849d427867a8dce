"""An admin gives to a company's account, or takes from it; budgets come and go in `scheduler.store.budgets`."""

from typing import Any

from sqlalchemy import Row, text
from sqlmodel import Session

from dure import wire
from dure.errors import Overdrawn
from scheduler.actor import Actor
from scheduler.core.ledger import Period, moved, transfer
from scheduler.core.model import Instant
from scheduler.store import audit, companies, generation, ledger, quotas, statements
from scheduler.store.ledger import Entry, Owner

_CURRENT = text(
    """
    SELECT extract(epoch FROM period)::bigint AS begins_at, extract(epoch FROM period_ends)::bigint AS ends_at FROM account
    WHERE company = :company AND pool = :pool AND NOT void AND period <= to_timestamp(:now) AND period_ends > to_timestamp(:now)
    ORDER BY period DESC LIMIT 1
    """
)
_TARGET = text("UPDATE account SET target = greatest(0, target + :more) WHERE id = :account")


def adjust(session: Session, body: wire.LedgerAdjust, *, reason: str, actor: Actor, now: float) -> wire.LedgerEntry:
    """An admin gives to the account or takes from it: that of the period that it is now, or the one without a budget.

    Raises UnknownCompany, UnknownPool, Overdrawn.
    """
    companies.row(session, body.company)
    generation.lock(session, body.pool)
    owner = Owner(company=body.company, pool=body.pool, period=_current(session, body.company, body.pool, now))
    account = ledger.locked(session, [owner])[owner]
    before = account.balances
    after = moved(before, transfer("adjust", body.gpu_seconds, limited=owner.period is not None))
    if after.lowest < 0:
        raise _overdrawn(owner, before.available, body.gpu_seconds)
    if owner.period is not None:
        session.connection().execute(_TARGET, {"account": account.id, "more": body.gpu_seconds})
    ledger.post(session, [_entry(owner, body.gpu_seconds, reason, actor)], at=int(now))
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.LEDGER_ADJUST,
        subject=f"{owner.company}/{owner.pool}",
        at=now,
        before={"available_gpu_seconds": before.available},
        after={"available_gpu_seconds": after.available, "gpu_seconds": body.gpu_seconds},
    )
    if owner.period is not None:
        quotas.publish(session, body.pool, [body.company], now=now)
    return statements.entry(session, account.id, account.seq + 1, actor=actor)


def _entry(owner: Owner, gpu_seconds: int, reason: str, actor: Actor) -> Entry:
    return Entry(
        company=owner.company,
        pool=owner.pool,
        period=owner.period,
        kind="adjust",
        gpu_seconds=gpu_seconds,
        cause="adjusted",
        actor=str(actor),
        reason=reason,
    )


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
