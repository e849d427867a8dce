"""The ledger: append-only GPU-seconds per company and pool, each entry with its number and the balances after it.

A promise commits its whole box. When the lease stops, what was delivered is settled and the rest is refunded, so that
for every lease that is over: commit = settle + refund.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select, tuple_

from scheduler.store import bulk
from scheduler.store.tables import Account, LedgerEntry

Kind = Literal["commit", "settle", "refund"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """GPU-seconds of a lease; never negative."""

    company: str
    pool: str
    lease: str
    kind: Kind
    gpu_seconds: int
    cause: str


def post(session: Session, entries: Sequence[Entry], *, at: int) -> None:
    """Writes the entries in order, under their accounts' row locks. Empty amounts are not written."""
    wanted = [entry for entry in entries if entry.gpu_seconds > 0]
    if not wanted:
        return
    accounts = _locked(session, sorted({(entry.company, entry.pool) for entry in wanted}))
    rows: list[bulk.Row] = []
    for entry in wanted:
        account = accounts[entry.company, entry.pool]
        _move(account, entry)
        rows.append(
            {
                "company": entry.company,
                "pool": entry.pool,
                "seq": account.seq,
                "at": at,
                "lease": entry.lease,
                "kind": entry.kind,
                "gpu_seconds": entry.gpu_seconds,
                "cause": entry.cause,
                "committed": account.committed,
                "spent": account.spent,
            }
        )
    session.flush()
    bulk.insert(session, LedgerEntry, rows)


def _move(account: Account, entry: Entry) -> None:
    account.seq += 1
    account.committed += entry.gpu_seconds if entry.kind == "commit" else -entry.gpu_seconds
    if entry.kind == "settle":
        account.spent += entry.gpu_seconds


def _locked(session: Session, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Account]:
    found = _lock(session, keys)
    missing = [key for key in keys if key not in found]
    if missing:
        rows = [{"company": company, "pool": pool, "seq": 0, "committed": 0, "spent": 0} for company, pool in missing]
        session.connection().execute(insert(Account).values(rows).on_conflict_do_nothing())
        found |= _lock(session, missing)
    return found


def _lock(session: Session, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Account]:
    query = (
        select(Account)
        .where(tuple_(col(Account.company), col(Account.pool)).in_(keys))
        .order_by(col(Account.company), col(Account.pool))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {(row.company, row.pool): row for row in session.exec(query)}
