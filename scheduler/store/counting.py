"""Leases that are over are counted: what they had and used each day is written once, and what agents said of them may go.

A lease is counted when all its GPUs were proved empty, for an agent that proves it has told its final totals with it. All
of it is one transaction, so that a crash leaves it whole or undone, and whoever does it again finds it done.
"""

from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from scheduler import days
from scheduler.store import programme
from scheduler.store.lease_days import UNWRITTEN_DAYS_OF_SOME, stretch

SETTLES_S = 600
"""How long after its last GPU was proved empty a lease is counted."""

LATEST_S = 30 * 86_400
"""How long after its end a lease is counted though a GPU was never proved empty: its node is gone for good."""

KEPT_S = 35 * 86_400
"""How long what agents said of a lease is kept after it was counted."""

AT_ONCE = 500
"""Leases a transaction."""

_DUE = text(
    """
    SELECT l.id, extract(epoch FROM l.starts_at)::bigint AS starts_at,
           extract(epoch FROM greatest(l.ends_at, l.stops_at))::bigint AS ends_at
    FROM lease l
    WHERE l.counted_at IS NULL AND l.state = 'ended' AND (
        l.ended_at <= to_timestamp(:latest)
        OR l.ended_at <= to_timestamp(:settled) AND NOT EXISTS (
            SELECT FROM allocation a
            WHERE a.lease = l.id AND (a.closed_at IS NULL OR a.closed_at > to_timestamp(:settled))))
    ORDER BY l.id LIMIT :most FOR UPDATE OF l SKIP LOCKED
    """
)

_WRITE = text(
    f"""
    {UNWRITTEN_DAYS_OF_SOME}
    INSERT INTO lease_day (lease, company, pool, day, is_first, leased, lost, busy, idle, energy_joules, memory_s, memory_mebibyte_s)
    SELECT lease, company, pool, day, is_first, leased, lost, busy, idle, energy_joules, memory_s, memory_mebibyte_s FROM lease_days
    """
)

_COUNTED = text("UPDATE lease SET counted_at = to_timestamp(:now) WHERE id = ANY(CAST(:leases AS text[]))")

_UNSEE = text(
    """
    DELETE FROM allocation_seen s USING allocation a
    WHERE s.allocation = a.id AND a.lease = ANY(CAST(:leases AS text[]))
    """
)

_FORGET = text(
    """
    DELETE FROM allocation_use u USING allocation a, lease l
    WHERE u.day < :before AND a.id = u.allocation AND l.id = a.lease AND l.counted_at < to_timestamp(:counted)
    """
)


def count(session: Session, *, now: float) -> int:
    """Counts some leases that are due; how many, which is less than `AT_ONCE` when none is left."""
    connection = session.connection()
    at: dict[str, Any] = {"latest": int(now) - LATEST_S, "settled": int(now) - SETTLES_S, "most": AT_ONCE}
    due = connection.execute(_DUE, at).all()
    if not due:
        return 0
    leases = [row.id for row in due]
    since, until = min(row.starts_at for row in due), max(row.ends_at for row in due)
    found = stretch(session, since, until, now=now).whole()
    connection.execute(_WRITE, {**found.values(now=now, company=None, pool=None), "leases": leases})
    connection.execute(_COUNTED, {"leases": leases, "now": int(now)})
    connection.execute(_UNSEE, {"leases": leases})
    return len(due)


def forget(session: Session, *, now: float) -> int:
    """Removes what agents said of leases that were counted long ago; how many rows."""
    counted = int(now) - KEPT_S
    values = {"before": days.of(counted, programme.zone(session)), "counted": counted}
    return session.connection().execute(_FORGET, values).rowcount
