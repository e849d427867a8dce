"""The ledger: append-only double entry of GPU-seconds, each entry with its account's number and the balances after it.

An account is a company's in a pool: one for each period of a budget, and one for what is promised without a budget. A
promise commits its whole box. When the lease stops, what was delivered is settled and the rest is refunded, so that
for every lease that is over: commit = settle + refund. The database checks number and balances of each entry again.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import TextClause, text
from sqlmodel import Session

from scheduler.core.ledger import Balances, Kind, Period, moved, transfer
from scheduler.store import bulk
from scheduler.store.tables import LedgerEntry

__all__ = ["Account", "Entry", "Kind", "Owner", "locked", "post"]


Order = tuple[str, str, int]
"""What tells accounts apart, and in which order they are locked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose account it is; `period` is of a budget, None of what is promised without one."""

    company: str
    pool: str
    period: Period | None = None

    @property
    def order(self) -> Order:
        """In which accounts are locked."""
        return self.company, self.pool, -1 if self.period is None else self.period.begins_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """As it is under its row's lock; `seq` is the number of its newest entry. `target` is what a period is to have been
    granted; None without one. One that is `new` was not there before.
    """

    id: int
    seq: int
    balances: Balances
    target: int | None = None
    new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """GPU-seconds, negative in a grant or an adjustment alone; of a lease, but for grants, adjustments and expiries."""

    company: str
    pool: str
    lease: str | None = None
    period: Period | None = None
    kind: Kind
    gpu_seconds: int
    cause: str
    actor: str | None = None
    reason: str | None = None

    @property
    def owner(self) -> Owner:
        return Owner(company=self.company, pool=self.pool, period=self.period)


_WANTED = """
    unnest(CAST(:companies AS text[]), CAST(:pools AS text[]), CAST(:periods AS float8[]), CAST(:ends AS float8[]),
        CAST(:targets AS bigint[])) AS w (company, pool, period, period_ends, target)
"""
"""Arrays, of which PostgreSQL knows how long they are: of JSON it expects a hundred rows, and reads all accounts for one."""

_SHOWN = """
    a.id, a.company, a.pool, extract(epoch FROM a.period)::bigint AS period, a.seq,
    a.available, a.committed, a.spent, a.expired, a.target
"""

_LOCK = text(
    f"""
    SELECT {_SHOWN} FROM account a WHERE a.id IN (
        SELECT f.id FROM {_WANTED} JOIN account f
            ON f.company = w.company AND f.pool = w.pool AND f.period = to_timestamp(w.period)
        UNION ALL
        SELECT f.id FROM {_WANTED} JOIN account f ON f.company = w.company AND f.pool = w.pool AND f.period IS NULL
        WHERE w.period IS NULL
    )
    ORDER BY a.company, a.pool, a.period NULLS FIRST FOR NO KEY UPDATE OF a
    """
)
"""In two parts, for `IS NOT DISTINCT FROM` is looked up by no index."""

_OPEN = text(
    f"""
    INSERT INTO account AS a
        (company, pool, period, period_ends, target, void, seq, granted, available, committed, spent, expired)
    SELECT company, pool, to_timestamp(period), to_timestamp(period_ends), target, false, 0, 0, 0, 0, 0, 0
    FROM {_WANTED}
    ORDER BY company, pool, period NULLS FIRST
    ON CONFLICT DO NOTHING
    RETURNING {_SHOWN}
    """
)

_COLUMNS = (
    "account, seq, at, kind, debit, credit, gpu_seconds, lease, cause, actor, reason,"
    " granted, available, committed, spent, expired"
)

_WRITE = text(
    f"""
    WITH changed AS (
        UPDATE account a SET seq = n.seq, granted = n.granted, available = n.available, committed = n.committed,
            spent = n.spent, expired = n.expired
        FROM jsonb_populate_recordset(NULL::account, CAST(:accounts AS jsonb)) n
        WHERE a.id = n.id AND a.id = ANY(CAST(:ids AS bigint[]))
    )
    INSERT INTO ledger_entry ({_COLUMNS})
    SELECT {_COLUMNS} FROM jsonb_populate_recordset(NULL::ledger_entry, CAST(:entries AS jsonb))
    ORDER BY account, seq
    """
)


def post(session: Session, entries: Sequence[Entry], *, at: int, known: Mapping[Owner, Account] | None = None) -> None:
    """Writes the entries in order, under their accounts' row locks. Empty amounts are not written. `known` are all their
    accounts, where the caller has `locked` them already.

    Whoever promises keeps to what is left of a budget. What a promise that was given needs beyond it, because it slipped
    from one period into the next or the budget was lowered since, is granted on top, and taken back once it is free.
    """
    wanted = [entry for entry in entries if entry.gpu_seconds]
    if not wanted:
        return
    # A period may be named by the end that it had and by the one that it has: it is one account.
    owners = {entry.owner.order: entry.owner for entry in wanted}
    found = locked(session, list(owners.values())) if known is None else known
    before = {owner.order: account for owner, account in found.items()}
    accounts: dict[Order, Account] = {}
    rows: list[bulk.Row] = []
    for entry in wanted:
        order = entry.owner.order
        account = accounts.get(order) or before[order]
        for one in (_short(account, entry), entry):
            if one is not None:
                account, row = _posted(account, one, at)
                rows.append(row)
        if (back := _on_top(account, entry)) is not None:
            account, row = _posted(account, back, at)
            rows.append(row)
        accounts[order] = account
    changed = [{"id": account.id, "seq": account.seq} | _amounts(account.balances) for account in accounts.values()]
    values = {
        "ids": [account.id for account in accounts.values()],
        "accounts": json.dumps(changed),
        "entries": bulk.dumped(LedgerEntry, rows),
    }
    session.connection().execute(_WRITE, values)


def _short(account: Account, entry: Entry) -> Entry | None:
    """What is granted so that the account has what the entry commits."""
    missing = entry.gpu_seconds - account.balances.available
    if account.target is None or entry.kind != "commit" or missing <= 0:
        return None
    return _grant(entry, missing, "promise_kept")


def _on_top(account: Account, entry: Entry) -> Entry | None:
    """What is taken back of what was granted on top, as far as it is free by a refund, or by what an admin gave."""
    if account.target is None or entry.kind not in ("refund", "adjust"):
        return None
    free = min(account.balances.available, account.balances.granted - account.target)
    return _grant(entry, -free, "above_budget") if free > 0 else None


def _grant(entry: Entry, gpu_seconds: int, cause: str) -> Entry:
    return Entry(
        company=entry.company,
        pool=entry.pool,
        period=entry.period,
        kind="grant",
        gpu_seconds=gpu_seconds,
        cause=cause,
    )


def locked(
    session: Session, owners: Collection[Owner], *, targets: Mapping[Owner, int] | None = None
) -> dict[Owner, Account]:
    """The accounts, which are opened where they are not there yet, with what they are to have been granted: nothing, unless
    `targets` says so. Nobody else writes to them until the end of the transaction.
    """
    places = {owner.order: owner for owner in owners}
    ordered = [places[place] for place in sorted(places)]
    found = _look(session, _LOCK, ordered)
    if missing := [owner for owner in ordered if owner.order not in found]:
        opened = _look(session, _OPEN, missing, targets or {})
        found |= {place: replace(account, new=True) for place, account in opened.items()}
        if others := [owner for owner in missing if owner.order not in opened]:
            found |= _look(session, _LOCK, others)
    return {owner: found[place] for place, owner in places.items()}


def _look(
    session: Session, query: TextClause, owners: Sequence[Owner], targets: Mapping[Owner, int] | None = None
) -> dict[tuple[str, str, int], Account]:
    values = {
        "companies": [owner.company for owner in owners],
        "pools": [owner.pool for owner in owners],
        "periods": [None if owner.period is None else owner.period.begins_at for owner in owners],
        "ends": [None if owner.period is None else owner.period.ends_at for owner in owners],
        "targets": [None if owner.period is None else (targets or {}).get(owner, 0) for owner in owners],
    }
    return {
        (row.company, row.pool, -1 if row.period is None else row.period): Account(
            id=row.id,
            seq=row.seq,
            balances=Balances(available=row.available, committed=row.committed, spent=row.spent, expired=row.expired),
            target=row.target,
        )
        for row in session.connection().execute(query, values)
    }


def _posted(account: Account, entry: Entry, at: int) -> tuple[Account, bulk.Row]:
    """The account after the entry, and the entry's row."""
    found = transfer(entry.kind, entry.gpu_seconds, limited=entry.period is not None)
    after = replace(account, seq=account.seq + 1, balances=moved(account.balances, found))
    row = {
        "account": after.id,
        "seq": after.seq,
        "at": at,
        "kind": entry.kind,
        "debit": found.debit,
        "credit": found.credit,
        "gpu_seconds": found.gpu_seconds,
        "lease": entry.lease,
        "cause": entry.cause,
        "actor": entry.actor,
        "reason": entry.reason,
    }
    return after, row | _amounts(after.balances)


def _amounts(balances: Balances) -> bulk.Row:
    """The columns of accounts and entries that have the balances' names."""
    return {
        "granted": balances.granted,
        "available": balances.available,
        "committed": balances.committed,
        "spent": balances.spent,
        "expired": balances.expired,
    }
