"""The ledger: append-only GPU-seconds per company and pool, each entry with its number and the balances after it.

A promise commits its whole box. When the lease stops, what was delivered is settled and the rest is refunded, so that
for every lease that is over: commit = settle + refund.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import text
from sqlmodel import Session

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


_POST = text(
    """
    WITH entry AS (
        SELECT e.*, row_number() OVER own AS n, sum(committed_by) OVER own AS committed_to, sum(spent_by) OVER own AS spent_to
        FROM (
            SELECT *, CASE kind WHEN 'commit' THEN gpu_seconds ELSE -gpu_seconds END AS committed_by,
                CASE kind WHEN 'settle' THEN gpu_seconds ELSE 0 END AS spent_by
            FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS x
                (place int, company text, pool text, lease text, kind text, gpu_seconds bigint, cause text)
        ) e
        WINDOW own AS (PARTITION BY company, pool ORDER BY place)
    ), total AS (
        SELECT company, pool, count(*) AS n, sum(committed_by)::bigint AS committed, sum(spent_by)::bigint AS spent
        FROM entry GROUP BY company, pool ORDER BY company, pool
    ), moved AS (
        UPDATE account a SET seq = a.seq + t.n, committed = a.committed + t.committed, spent = a.spent + t.spent
        FROM total t WHERE a.company = t.company AND a.pool = t.pool
        RETURNING a.company, a.pool, a.seq - t.n AS seq, a.committed - t.committed AS committed, a.spent - t.spent AS spent
    )
    INSERT INTO ledger_entry (company, pool, seq, at, lease, kind, gpu_seconds, cause, committed, spent)
    SELECT e.company, e.pool, m.seq + e.n, to_timestamp(:at), e.lease, e.kind, e.gpu_seconds, e.cause,
        m.committed + e.committed_to, m.spent + e.spent_to
    FROM entry e JOIN moved m ON m.company = e.company AND m.pool = e.pool
    ORDER BY e.place
    """
)

_ACCOUNTS = text(
    """
    WITH wanted AS (
        SELECT DISTINCT company, pool FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS x (company text, pool text)
    ), made AS (
        INSERT INTO account (company, pool, seq, committed, spent)
        SELECT w.company, w.pool, 0, 0, 0 FROM wanted w
        WHERE NOT EXISTS (SELECT FROM account a WHERE a.company = w.company AND a.pool = w.pool)
        ON CONFLICT DO NOTHING
    )
    SELECT a.company FROM account a JOIN wanted w ON a.company = w.company AND a.pool = w.pool
    ORDER BY a.company, a.pool FOR UPDATE OF a
    """
)


def post(session: Session, entries: Sequence[Entry], *, at: int) -> None:
    """Writes the entries in order, under their accounts' row locks. Empty amounts are not written."""
    rows = [
        {
            "place": place,
            "company": entry.company,
            "pool": entry.pool,
            "lease": entry.lease,
            "kind": entry.kind,
            "gpu_seconds": entry.gpu_seconds,
            "cause": entry.cause,
        }
        for place, entry in enumerate(entries)
        if entry.gpu_seconds > 0
    ]
    if not rows:
        return
    values = {"entries": json.dumps(rows)}
    session.connection().execute(_ACCOUNTS, values)
    session.connection().execute(_POST, values | {"at": at})
