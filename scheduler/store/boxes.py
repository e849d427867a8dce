"""The ledger against the leases: what is committed for each is its box, and what is settled of it is what it had.

Both are worked out again from the lease's instants and sizes by the database, which is a second opinion on
`scheduler.core.lease.charge`; only what differs comes here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Row, text
from sqlmodel import Session

from dure import wire
from scheduler.store import statements
from scheduler.store.lost_gpus import LOST


def _of(table: str) -> str:
    return f"""
        (CAST(:company AS text) IS NULL OR {table}.company = :company)
        AND (CAST(:pool AS text) IS NULL OR {table}.pool = :pool)
    """


def _within(since: str, until: str) -> str:
    """The GPU-seconds of lease `l` on that stretch, with each of its sizes for as long as it had it."""
    return f"""
        l.total_gpus * greatest(0, extract(epoch FROM
            least(l.ends_at, {until}) - greatest(coalesce(l.resized_at, l.starts_at), {since}))::bigint)
        + CASE WHEN l.resized_at IS NULL THEN 0 ELSE (
            SELECT coalesce(sum(s.gpus * greatest(0, extract(epoch FROM least(s.until, {until}) - greatest(s.since, {since}))::bigint)), 0)
            FROM lease_span s WHERE s.lease = l.id) END
    """


def _had(since: str, until: str) -> str:
    """The GPU-seconds that lease `l` had on that stretch, in which it ran: less what was lost to it."""
    lost = f"""
        SELECT sum(CASE WHEN x.whole THEN {_within(f"greatest(x.since, {since})", f"least(x.until, {until})")}
            ELSE greatest(0, extract(epoch FROM least(x.until, {until}) - greatest(x.since, {since}))::bigint) END)
        FROM lost x WHERE x.lease = l.id
    """
    return f"""
        CASE WHEN NOT ({_RAN}) THEN 0 WHEN l.id IN (SELECT lease FROM lost)
        THEN greatest(0, {_within(since, until)} - ({lost})) ELSE {_within(since, until)} END
    """


_BOX = f"CASE WHEN l.state IN ('scheduled', 'active', 'ending') THEN {_within('l.starts_at', 'l.ends_at')} ELSE 0 END"

_STARTED = "least(greatest(l.started_at, l.starts_at), l.stops_at)"
_RAN = "l.state = 'ended' AND l.started_at IS NOT NULL"

_LEASES = text(
    f"""
    WITH {LOST}, posted AS (
        SELECT e.lease, a.company, a.pool, max(e.seq) AS seq,
            sum(CASE 'committed' WHEN e.credit THEN e.gpu_seconds WHEN e.debit THEN -e.gpu_seconds ELSE 0 END)::bigint AS committed,
            coalesce(sum(e.gpu_seconds) FILTER (WHERE e.kind = 'settle'), 0)::bigint AS settled
        FROM ledger_entry e JOIN account a ON a.id = e.account WHERE e.lease IS NOT NULL AND {_of("a")}
        GROUP BY e.lease, a.company, a.pool
    ), compared AS (
        SELECT coalesce(l.id, p.lease) AS lease, coalesce(l.company, p.company) AS company, coalesce(l.pool, p.pool) AS pool,
            l.state, p.seq, coalesce(p.committed, 0) AS committed, coalesce(p.settled, 0) AS settled, ({_BOX})::bigint AS box,
            ({_had(_STARTED, "l.stops_at")})::bigint AS had
        FROM posted p FULL JOIN (SELECT * FROM lease l WHERE {_of("l")}) l
            ON l.id = p.lease AND l.company = p.company AND l.pool = p.pool
    )
    SELECT * FROM compared WHERE state IS NULL OR committed <> box OR settled <> had
    ORDER BY company, pool, lease LIMIT :most
    """
)
"""Leases of which something else is committed than their box or, once they are over, anything at all; or of which
something else is settled than they had.
"""

_PERIODS = text(
    f"""
    WITH {LOST}, posted AS (
        SELECT e.lease, e.account, max(e.seq) AS seq,
            coalesce(sum(e.gpu_seconds) FILTER (WHERE e.kind = 'settle'), 0)::bigint AS settled
        FROM ledger_entry e JOIN account a ON a.id = e.account
        WHERE e.lease IS NOT NULL AND a.period IS NOT NULL AND {_of("a")}
        GROUP BY e.lease, e.account
    ), compared AS (
        SELECT p.lease, a.company, a.pool, p.seq, p.settled,
            extract(epoch FROM a.period)::bigint AS period, extract(epoch FROM a.period_ends)::bigint AS period_ends,
            (CASE WHEN a.void THEN 0 ELSE
                {_had(f"greatest(a.period, {_STARTED})", "least(a.period_ends, l.stops_at)")} END)::bigint AS had
        FROM posted p JOIN account a ON a.id = p.account
        JOIN lease l ON l.id = p.lease AND l.company = a.company AND l.pool = a.pool
    )
    SELECT * FROM compared WHERE settled <> had ORDER BY company, pool, lease, period LIMIT :most
    """
)
"""What is settled of leases in the periods of budgets that they took from, where they had something else in them.

That holds whatever became of a budget: a period is cut short in the present alone, and what runs is moved with it.
"""


def faults(session: Session, *, company: str | None, pool: str | None, most: int) -> Iterator[wire.LedgerFault]:
    """Of one company or all, in one pool or all; at most so many of each kind."""
    values: Mapping[str, object] = {"company": company, "pool": pool, "most": most}
    connection = session.connection()
    for row in connection.execute(_LEASES, values):
        for detail in _wrong(row):
            yield _fault(row, None, detail)
    for row in connection.execute(_PERIODS, values):
        detail = f"{row.settled} GPU-seconds are settled of it in this period, where it had {row.had}"
        yield _fault(row, statements.period(row.period, row.period_ends), detail)


def _wrong(row: Row[Any]) -> Iterator[str]:
    if row.state is None:
        yield f"entries of {row.company}'s account in {row.pool} are of a lease that is not there or not its own"
        return
    if row.committed != row.box:
        yield f"{row.committed} GPU-seconds are committed for it, which is {row.state}, where {row.box} should be"
    if row.settled != row.had:
        yield f"{row.settled} GPU-seconds are settled of it, where it had {row.had}"


def _fault(row: Row[Any], period: wire.LedgerPeriod | None, detail: str) -> wire.LedgerFault:
    return wire.LedgerFault(
        company=row.company, pool=row.pool, period=period, number=row.seq, lease=row.lease, detail=detail
    )
