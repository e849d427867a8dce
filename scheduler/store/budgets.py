"""The periods of companies' budgets as accounts: opened ahead of time, granted their budget, closed when they are over.

Of any number of companies of one pool in as many statements as of one. The caller holds the pool's lock and commits.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session

from dure import wire
from dure.wire import HORIZON_S
from scheduler.core import quota as core
from scheduler.core.ledger import Period
from scheduler.core.model import Instant
from scheduler.periods import Budget, part, periods, share
from scheduler.store import commitments, leases, ledger
from scheduler.store.commitments import Moved
from scheduler.store.ledger import Entry, Owner
from scheduler.store.times import from_wire

AHEAD_S = HORIZON_S + 32 * 24 * 3600
"""Periods are there for so long from now: to the end of the calendar, and a month in which nobody opens any."""

_PERIOD = "extract(epoch FROM a.period)::bigint AS begins_at, extract(epoch FROM a.period_ends)::bigint AS ends_at"

_ROWS = text(
    f"""
    SELECT a.company, {_PERIOD}, a.target, a.granted, a.available, a.spent
    FROM unnest(CAST(:companies AS text[])) AS w (company)
    CROSS JOIN LATERAL (
        SELECT max(period) AS newest, max(period) FILTER (WHERE period < to_timestamp(:since)) AS begun
        FROM account WHERE company = w.company AND pool = :pool AND period IS NOT NULL AND NOT void
    ) last
    JOIN account a ON a.company = w.company AND a.pool = :pool AND NOT a.void
        AND (a.period_ends > to_timestamp(:since) OR a.period IN (last.newest, last.begun))
    WHERE a.period IS NOT NULL
    ORDER BY a.company, a.period
    """
)
_LEFT = text(
    f"""
    SELECT a.company, {_PERIOD}, a.available, extract(epoch FROM n.period_ends)::bigint AS next_ends_at, n.target AS next_target
    FROM account a
    LEFT JOIN account n ON n.company = a.company AND n.pool = a.pool AND n.period = a.period_ends AND NOT n.void
    WHERE a.company = ANY(:companies) AND a.pool = :pool AND a.period IS NOT NULL AND NOT a.void AND a.available > 0
        AND a.period_ends <= to_timestamp(:now)
    ORDER BY a.company, a.period
    """
)
"""What is left of periods that are over, with the period that comes after each."""
_CLOSE = text(
    """
    UPDATE account SET
        void = period >= to_timestamp(:now),
        target = CASE WHEN period >= to_timestamp(:now) THEN 0 ELSE target END,
        period_ends = CASE WHEN period >= to_timestamp(:now) THEN period_ends ELSE to_timestamp(:now) END
    WHERE company = ANY(:companies) AND pool = :pool AND period IS NOT NULL AND NOT void
        AND period_ends > to_timestamp(:now)
    """
)
_AIM = text(
    """
    UPDATE account a SET target = w.target, period_ends = to_timestamp(w.period_ends), void = false
    FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS w (company text, period float8, period_ends float8, target bigint)
    WHERE a.company = w.company AND a.pool = :pool AND a.period = to_timestamp(w.period)
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
class Where:
    """In which pool and when budgets change, and who changes them, if somebody does."""

    pool: str
    now: int
    actor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A company's budget as it was and as it is to be; None for none."""

    company: str
    before: Budget | None
    after: Budget | None


Aim = tuple[str, Period, int]
"""A company, a period of its budget, and what that is to be granted."""


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


def accounts_of(session: Session, companies: Collection[str], pool: str, *, since: int) -> dict[str, list[Account]]:
    """Of the periods of each of these companies, in order: those that were not over at `since`, the last that had begun
    by then, and the last. However many there were before.
    """
    found: dict[str, list[Account]] = {company: [] for company in companies}
    if not found:
        return found
    values = {"companies": list(found), "pool": pool, "since": since}
    for row in session.connection().execute(_ROWS, values):
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


def change(session: Session, where: Where, wanted: Sequence[Changed]) -> None:
    """Other budgets from now on.

    Another amount is that of the present period too. Where the periods become others, the one that it is now ends now,
    what is left of it expires, and what was promised counts against the new periods, of which the first has its part of
    the budget.
    """
    different = [one for one in wanted if one.before != one.after]
    same = [one for one in different if _same_periods(one)]
    _resize(session, where, same)
    _replace(session, where, [one for one in different if one not in same])


def extend(session: Session, where: Where, of: Mapping[str, Budget]) -> None:
    """Opens the periods of these companies' budgets that have come into sight."""
    known = accounts_of(session, of, where.pool, since=where.now)
    opened = [
        one
        for company, found in known.items()
        for one in _opened(company, of[company], found[-1].period.ends_at if found else where.now, where)
    ]
    aim(session, where, opened, cause="budget")


def close(session: Session, where: Where, of: Mapping[str, Budget | None]) -> None:
    """What is still available of these companies' periods that are over expires, or is the next period's."""
    expired: list[Entry] = []
    carried: list[Aim] = []
    values = {"companies": list(of), "pool": where.pool, "now": where.now}
    for row in session.connection().execute(_LEFT, values):
        period, budget = Period(begins_at=Instant(row.begins_at), ends_at=Instant(row.ends_at)), of[row.company]
        after: Period | None = None
        if budget is not None and budget.carries_over and row.next_ends_at is not None:
            after = Period(begins_at=period.ends_at, ends_at=Instant(row.next_ends_at))
            carried.append((row.company, after, row.next_target + row.available))
        cause = "period_over" if after is None else "carried_over"
        expired.append(_entry(where, _owner(where, row.company, period), "expire", row.available, cause))
    ledger.post(session, expired, at=where.now)
    aim(session, where, carried, cause="carried_over")


def aim(session: Session, where: Where, wanted: Sequence[Aim], *, cause: str) -> None:
    """Says what periods are to be granted, opens their accounts, and grants it, or takes back what is available of it."""
    if not wanted:
        return
    targets = {_owner(where, company, period): target for company, period, target in wanted}
    accounts = ledger.locked(session, targets, targets=targets)
    rows = [
        {"company": owner.company, "period": period.begins_at, "period_ends": period.ends_at, "target": target}
        for owner, target in targets.items()
        if not accounts[owner].new and (period := owner.period) is not None
    ]
    if rows:
        session.connection().execute(_AIM, {"pool": where.pool, "wanted": json.dumps(rows)})
    entries = [
        _entry(where, owner, "grant", max(target - had.granted, -had.available), cause)
        for owner, target in targets.items()
        for had in [accounts[owner].balances]
    ]
    # A grant looks at no target, so the accounts may be as they were locked.
    ledger.post(session, entries, at=where.now, known=accounts)


def _opened(company: str, budget: Budget, since: int, where: Where) -> Iterator[Aim]:
    """Those from `since` on, of which the first may be a part."""
    for one in periods(budget, max(since, 0), where.now + AHEAD_S):
        period = Period(begins_at=Instant(max(since, one.begins_at)), ends_at=one.ends_at)
        yield company, period, part(budget, period, one)


def _first(was: Sequence[Account], budget: Budget, now: int) -> int:
    """From when on: the whole of the present period, but for what an earlier budget had of it."""
    begins_at = next((one.begins_at for one in periods(budget, now, now + 1)), now)
    return max([begins_at, *(min(one.period.ends_at, now) for one in was if one.period.begins_at < now)])


def _resize(session: Session, where: Where, wanted: Sequence[Changed]) -> None:
    """Another amount, or carried over or not, of the same periods."""
    budgets = {one.company: (one.before, one.after) for one in wanted}
    aimed = [
        (company, one.period, max(0, one.target + share(after, one.period) - share(before, one.period)))
        for company, found in accounts_of(session, budgets, where.pool, since=where.now).items()
        for before, after in [budgets[company]]
        if before is not None and after is not None and before.gpu_seconds != after.gpu_seconds
        for one in found
        if one.period.ends_at > where.now
    ]
    aim(session, where, aimed, cause="budget")


def _replace(session: Session, where: Where, wanted: Sequence[Changed]) -> None:
    """Other periods, or some where there were none, or none any more."""
    if not wanted:
        return
    companies = [one.company for one in wanted]
    booked = leases.booked(session, where.pool, companies)
    # Those that are booked may have begun in periods that are over.
    starts = [lease.starts_at for of in booked.values() for lease in of if lease.starts_at is not None]
    since = min([where.now, *starts])
    was = accounts_of(session, companies, where.pool, since=since)
    values = {"companies": companies, "pool": where.pool, "now": where.now}
    session.connection().execute(_CLOSE, values)
    opened = [
        aimed
        for one in wanted
        if one.after is not None
        for aimed in _opened(one.company, one.after, _first(was[one.company], one.after, where.now), where)
    ]
    aim(session, where, opened, cause="budget")
    holding = [company for company, of in booked.items() if of]
    have = accounts_of(session, holding, where.pool, since=since)
    moved = [
        Moved(lease=lease, was=_periods(was[company]), have=_periods(have[company]), cause="budget_changed")
        for company in holding
        for lease in booked[company]
    ]
    commitments.move(session, moved, at=where.now)
    _take_back(session, where, was)


def _take_back(session: Session, where: Where, was: Mapping[str, Sequence[Account]]) -> None:
    """What is left where a budget was: what has begun expires, and of what has not the grant is taken back."""
    owners = [
        _owner(where, company, one.period)
        for company, of in was.items()
        for one in of
        if one.period.ends_at > where.now
    ]
    entries: list[Entry] = []
    for owner, account in ledger.locked(session, owners).items():
        free = account.balances.available
        assert owner.period is not None
        if owner.period.begins_at < where.now:
            entries.append(_entry(where, owner, "expire", free, "budget_changed"))
        else:
            spare = min(free, max(0, account.balances.granted - (account.target or 0)))
            entries.append(_entry(where, owner, "grant", -spare, "budget_changed"))
    ledger.post(session, entries, at=where.now)


def _same_periods(found: Changed) -> bool:
    one, other = found.before, found.after
    if one is None or other is None:
        return False
    return (one.kind, one.zone, one.begins_at, one.ends_at) == (other.kind, other.zone, other.begins_at, other.ends_at)


def _periods(found: Sequence[Account]) -> tuple[Period, ...]:
    return tuple(one.period for one in found)


def _owner(where: Where, company: str, period: Period) -> Owner:
    return Owner(company=company, pool=where.pool, period=period)


def _entry(where: Where, owner: Owner, kind: ledger.Kind, gpu_seconds: int, cause: str) -> Entry:
    return Entry(
        company=owner.company,
        pool=owner.pool,
        period=owner.period,
        kind=kind,
        gpu_seconds=gpu_seconds,
        cause=cause,
        actor=where.actor,
    )
