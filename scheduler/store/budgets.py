"""The periods of companies' budgets as accounts: opened ahead of time, granted their budget, closed when they are over.

The caller holds the pool's lock and commits.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session

from dure import wire
from dure.wire import HORIZON_S
from scheduler.core import quota as core
from scheduler.core.ledger import Period
from scheduler.core.model import Instant
from scheduler.periods import Budget, periods, share
from scheduler.store import commitments, leases, ledger
from scheduler.store.commitments import Change
from scheduler.store.ledger import Entry, Owner
from scheduler.store.times import from_wire

AHEAD_S = HORIZON_S + 32 * 24 * 3600
"""Periods are there for so long from now: to the end of the calendar, and a month in which nobody opens any."""

_ROWS = text(
    """
    SELECT company, extract(epoch FROM period)::bigint AS begins_at, extract(epoch FROM period_ends)::bigint AS ends_at,
        target, granted, available, spent
    FROM account WHERE company = ANY(:companies) AND pool = :pool AND period IS NOT NULL AND NOT void
    ORDER BY company, period
    """
)
_CLOSE = text(
    """
    UPDATE account SET
        void = period >= to_timestamp(:now),
        target = CASE WHEN period >= to_timestamp(:now) THEN 0 ELSE target END,
        period_ends = CASE WHEN period >= to_timestamp(:now) THEN period_ends ELSE to_timestamp(:now) END
    WHERE company = :company AND pool = :pool AND period IS NOT NULL AND NOT void AND period_ends > to_timestamp(:now)
    """
)
_AIM = text(
    """
    UPDATE account a SET target = w.target, period_ends = to_timestamp(w.period_ends), void = false
    FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS w (period float8, period_ends float8, target bigint)
    WHERE a.company = :company AND a.pool = :pool AND a.period = to_timestamp(w.period)
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A period's account; GPU-seconds. `target` is the budget, with what was carried over and adjusted."""

    period: Period
    target: int
    granted: int
    available: int
    spent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """A company in a pool, and who changes its budget, if somebody does."""

    company: str
    pool: str
    actor: str | None = None


def parsed(budget: wire.Budget | None) -> Budget | None:
    """The budget as periods are made of it."""
    if budget is None:
        return None
    return Budget(
        gpu_seconds=budget.gpu_seconds,
        kind=budget.period,
        zone=budget.zone or "UTC",
        begins_at=from_wire(budget.begins_at),
        ends_at=from_wire(budget.ends_at),
        carries_over=budget.carries_over,
    )


def accounts(session: Session, company: str, pool: str) -> list[Account]:
    """Of every period that there was and is, in order."""
    return accounts_of(session, [company], pool)[company]


def accounts_of(session: Session, companies: Collection[str], pool: str) -> dict[str, list[Account]]:
    """The same of each of these companies."""
    found: dict[str, list[Account]] = {company: [] for company in companies}
    if not found:
        return found
    for row in session.connection().execute(_ROWS, {"companies": list(found), "pool": pool}):
        period = Period(begins_at=Instant(row.begins_at), ends_at=Instant(row.ends_at))
        found[row.company].append(
            Account(period=period, target=row.target, granted=row.granted, available=row.available, spent=row.spent)
        )
    return found


def core_periods(found: Sequence[Account], since: int) -> tuple[core.Period, ...]:
    """As decisions look at them: those that were not over at `since`, or else the last."""
    return tuple(
        core.Period(begins_at=one.period.begins_at, ends_at=one.period.ends_at, gpu_seconds=one.target, spent=one.spent)
        for place, one in enumerate(found, 1)
        if one.period.ends_at > since or place == len(found)
    )


def change(session: Session, whose: Whose, before: Budget | None, after: Budget | None, *, now: int) -> None:
    """Another budget from now on.

    Another amount is that of the present period too. Where the periods become others, the one that it is now ends now,
    what is left of it expires, and what was promised counts against the new periods, of which the first has its part of
    the budget.
    """
    if before == after:
        return
    if before is not None and after is not None and _same_periods(before, after):
        _resize(session, whose, before, after, now)
        return
    booked = leases.booked(session, company=whose.company, pool=whose.pool)
    was = accounts(session, whose.company, whose.pool)
    session.connection().execute(_CLOSE, {"company": whose.company, "pool": whose.pool, "now": now})
    if after is not None:
        _open(session, whose, after, _first(was, after, now), now)
    have = accounts(session, whose.company, whose.pool)
    changes = [Change(before=lease, after=lease, cause="budget_changed") for lease in booked]
    commitments.move(session, changes, _periods(was), _periods(have), at=now)
    _take_back(session, whose, was, now)


def extend(session: Session, whose: Whose, budget: Budget, *, now: int) -> bool:
    """Opens the periods that have come into sight; whether there were any."""
    found = accounts(session, whose.company, whose.pool)
    since = found[-1].period.ends_at if found else now
    return bool(_open(session, whose, budget, since, now))


def close(session: Session, whose: Whose, budget: Budget | None, *, now: int) -> bool:
    """What is still available of periods that are over expires, or is the next period's; whether there was anything."""
    found = accounts(session, whose.company, whose.pool)
    over = [one for one in found if one.period.ends_at <= now and one.available]
    for one in over:
        after = next((later for later in found if later.period.begins_at == one.period.ends_at), None)
        carried = after if budget is not None and budget.carries_over else None
        cause = "period_over" if carried is None else "carried_over"
        ledger.post(session, [_entry(whose, one.period, "expire", one.available, cause)], at=now)
        if carried is not None:
            target = accounts(session, whose.company, whose.pool)[found.index(carried)].target + one.available
            aim(session, whose, [(carried.period, target)], cause=cause, now=now)
    return bool(over)


def aim(session: Session, whose: Whose, wanted: Sequence[tuple[Period, int]], *, cause: str, now: int) -> None:
    """Says what periods are to be granted, opens their accounts, and grants it, or takes back what is available of it."""
    owners = {_owner(whose, period): target for period, target in wanted}
    ledger.locked(session, owners)
    rows = [{"period": period.begins_at, "period_ends": period.ends_at, "target": target} for period, target in wanted]
    values = {"company": whose.company, "pool": whose.pool, "wanted": json.dumps(rows)}
    session.connection().execute(_AIM, values)
    entries: list[Entry] = []
    for owner, account in ledger.locked(session, owners).items():
        missing = owners[owner] - account.balances.granted
        amount = max(missing, -account.balances.available)
        assert owner.period is not None
        entries.append(_entry(whose, owner.period, "grant", amount, cause))
    ledger.post(session, entries, at=now)


def _open(session: Session, whose: Whose, budget: Budget, since: int, now: int) -> list[Period]:
    """Those from `since` on, of which the first may be a part."""
    found = [
        Period(begins_at=Instant(max(since, one.begins_at)), ends_at=one.ends_at)
        for one in periods(budget, max(since, 0), now + AHEAD_S)
    ]
    if found:
        aim(session, whose, [(one, share(budget, one)) for one in found], cause="budget", now=now)
    return found


def _first(was: Sequence[Account], budget: Budget, now: int) -> int:
    """From when on: the whole of the present period, but for what an earlier budget had of it."""
    begins_at = next((one.begins_at for one in periods(budget, now, now + 1)), now)
    return max([begins_at, *(min(one.period.ends_at, now) for one in was if one.period.begins_at < now)])


def _resize(session: Session, whose: Whose, before: Budget, after: Budget, now: int) -> None:
    wanted = [
        (one.period, max(0, one.target + share(after, one.period) - share(before, one.period)))
        for one in accounts(session, whose.company, whose.pool)
        if one.period.ends_at > now
    ]
    if wanted and before.gpu_seconds != after.gpu_seconds:
        aim(session, whose, wanted, cause="budget", now=now)


def _take_back(session: Session, whose: Whose, was: Sequence[Account], now: int) -> None:
    """What is left where a budget was: what has begun expires, and of what has not the grant is taken back."""
    owners = [_owner(whose, one.period) for one in was if one.period.ends_at > now]
    entries: list[Entry] = []
    for owner, account in ledger.locked(session, owners).items():
        free = account.balances.available
        assert owner.period is not None
        if owner.period.begins_at < now:
            entries.append(_entry(whose, owner.period, "expire", free, "budget_changed"))
        else:
            spare = min(free, max(0, account.balances.granted - (account.target or 0)))
            entries.append(_entry(whose, owner.period, "grant", -spare, "budget_changed"))
    ledger.post(session, entries, at=now)


def _same_periods(one: Budget, other: Budget) -> bool:
    return (one.kind, one.zone, one.begins_at, one.ends_at) == (other.kind, other.zone, other.begins_at, other.ends_at)


def _periods(found: Sequence[Account]) -> tuple[Period, ...]:
    return tuple(one.period for one in found)


def _owner(whose: Whose, period: Period) -> Owner:
    return Owner(company=whose.company, pool=whose.pool, period=period)


def _entry(whose: Whose, period: Period, kind: ledger.Kind, gpu_seconds: int, cause: str) -> Entry:
    return Entry(
        company=whose.company,
        pool=whose.pool,
        period=period,
        kind=kind,
        gpu_seconds=gpu_seconds,
        cause=cause,
        actor=whose.actor,
    )
