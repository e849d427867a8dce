"""The ledger added up again: each entry after the one before it, each account from its entries; `boxes` does the leases.

The database does the adding, and only what does not add up comes here, so a million entries are no trouble.
"""

from typing import Any

from sqlalchemy import Row, text
from sqlmodel import Session

from dure import wire
from scheduler.actor import Actor
from scheduler.store import boxes, companies, pools, statements

MOST_FAULTS = 100

_NAMES = ("granted", "available", "committed", "spent", "expired")


def _delta(name: str) -> str:
    """What an entry adds to a balance; what is granted is what came out of the source."""
    to, out_of = ("debit", "credit") if name == "granted" else ("credit", "debit")
    held = "source" if name == "granted" else name
    return f"CASE '{held}' WHEN e.{to} THEN e.gpu_seconds WHEN e.{out_of} THEN -e.gpu_seconds ELSE 0 END"


_ACCOUNTS = """
    accounts AS (
        SELECT * FROM account
        WHERE (CAST(:company AS text) IS NULL OR company = :company) AND (CAST(:pool AS text) IS NULL OR pool = :pool)
    )
"""

_OF = """
    a.company, a.pool, extract(epoch FROM a.period)::bigint AS period,
    extract(epoch FROM a.period_ends)::bigint AS period_ends
"""

_ENTRIES = text(
    f"""
    WITH {_ACCOUNTS}, entry AS (
        SELECT e.account, e.seq, e.lease, coalesce(lag(e.seq) OVER own, 0) + 1 AS want_seq,
            {", ".join(f"e.{name}, coalesce(lag(e.{name}) OVER own, 0) + {_delta(name)} AS want_{name}" for name in _NAMES)}
        FROM ledger_entry e JOIN accounts a ON a.id = e.account
        WINDOW own AS (PARTITION BY e.account ORDER BY e.seq)
    ), wrong AS (
        SELECT DISTINCT ON (account) * FROM entry
        WHERE seq <> want_seq OR {" OR ".join(f"{name} <> want_{name}" for name in _NAMES)}
        ORDER BY account, seq
    )
    SELECT {_OF}, w.* FROM wrong w JOIN accounts a ON a.id = w.account
    ORDER BY a.company, a.pool, a.period NULLS FIRST LIMIT {MOST_FAULTS}
    """
)
"""The first entry of each account that does not follow from the one before it."""

_SUMS = text(
    f"""
    WITH {_ACCOUNTS}, summed AS (
        SELECT e.account, count(*) AS entries, max(e.seq) AS last,
            {", ".join(f"sum({_delta(name)})::bigint AS {name}" for name in _NAMES)}
        FROM ledger_entry e JOIN accounts a ON a.id = e.account GROUP BY e.account
    )
    SELECT {_OF}, a.seq, coalesce(s.entries, 0) AS entries, coalesce(s.last, 0) AS want_seq,
        {", ".join(f"a.{name}, coalesce(s.{name}, 0) AS want_{name}" for name in _NAMES)}
    FROM accounts a LEFT JOIN summed s ON s.account = a.id
    ORDER BY a.company, a.pool, a.period NULLS FIRST
    """
)
"""Each account, and what its entries come to."""

_POSTED = text(
    f"WITH {_ACCOUNTS} SELECT count(DISTINCT e.lease) FROM ledger_entry e JOIN accounts a ON a.id = e.account"
)


def verify(session: Session, *, company: str | None, pool: str | None, actor: Actor) -> wire.LedgerCheck:
    """Of one company or all, in one pool or all; a company's own. Raises UnknownCompany, UnknownPool."""
    company = actor.company or company
    if company is not None:
        companies.row(session, company)
    if pool is not None:
        pools.row(session, pool)
    values = {"company": company, "pool": pool}
    connection = session.connection()
    entries = [_entry(row) for row in connection.execute(_ENTRIES, values)]
    accounts = connection.execute(_SUMS, values).all()
    wrong = [_account(row) for row in accounts if _differing(row) is not None]
    faults = [*entries, *wrong, *boxes.faults(session, company=company, pool=pool, most=MOST_FAULTS)]
    return wire.LedgerCheck(
        accounts=len(accounts),
        entries=sum(row.entries for row in accounts),
        leases=connection.execute(_POSTED, values).scalar_one(),
        sums=wire.LedgerBalances(
            **{f"{name}_gpu_seconds": sum(getattr(row, f"want_{name}") for row in accounts) for name in _NAMES}
        ),
        faults=faults[:MOST_FAULTS],
    )


def _differing(row: Row[Any]) -> str | None:
    """The first of the numbers that is not what it should be."""
    names = ("seq", *_NAMES)
    return next((name for name in names if getattr(row, name) != getattr(row, f"want_{name}")), None)


def _entry(row: Row[Any]) -> wire.LedgerFault:
    name = _differing(row) or "seq"
    found, want = getattr(row, name), getattr(row, f"want_{name}")
    detail = (
        f"entry {found} follows where entry {want} should: {want} is not there"
        if name == "seq"
        else f"entry {row.seq} says {found} GPU-seconds {name} after it, where the one before it and its own amount make {want}"
    )
    return _fault(row, number=row.seq, lease=row.lease, detail=detail)


def _account(row: Row[Any]) -> wire.LedgerFault:
    name = _differing(row) or "seq"
    found, want = getattr(row, name), getattr(row, f"want_{name}")
    said = f"its newest entry is {found}" if name == "seq" else f"{found} GPU-seconds are {name}"
    detail = f"the account says that {said}, where its entries come to {want}"
    return _fault(row, number=None, lease=None, detail=detail)


def _fault(row: Row[Any], *, number: int | None, lease: str | None, detail: str) -> wire.LedgerFault:
    return wire.LedgerFault(
        company=row.company,
        pool=row.pool,
        period=None if row.period is None else statements.period(row.period, row.period_ends),
        number=number,
        lease=lease,
        detail=detail,
    )
