"""What is known of leases on which nothing was seen to run yet, in pools that give such leases back."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, text
from sqlmodel import Session

from scheduler.core.attendance import Gpu, Watched
from scheduler.core.model import CompanyId, Instant, LeaseId
from scheduler.store.lost_gpus import NOT_LOST
from scheduler.store.tables import Attendance

_WATCHED = """
    FROM lease l JOIN pool p ON p.name = l.pool LEFT JOIN attendance t ON t.lease = l.id
    WHERE l.state = 'active' AND p.no_show_after_s IS NOT NULL AND t.shown_at IS NULL
      AND greatest(l.started_at, t.kept_at) <= to_timestamp(:now)
          - (p.no_show_after_s - greatest(1, p.no_show_after_s / 2)) * interval '1 second'
"""

_POOLS = text(f"SELECT DISTINCT l.pool {_WATCHED} ORDER BY l.pool")

_GPUS = text(
    f"""
    WITH w AS (
        SELECT l.id, l.company, l.started_at, t.kept_at, t.told_at, p.no_show_after_s, p.empty_memory_bytes
        {_WATCHED} AND l.pool = :pool
    )
    SELECT w.id, w.company, extract(epoch FROM w.started_at)::bigint AS started_at, extract(epoch FROM w.kept_at)::bigint AS kept_at,
        extract(epoch FROM w.told_at)::bigint AS told_at, w.no_show_after_s, w.empty_memory_bytes,
        greatest(0, extract(epoch FROM to_timestamp(:now) - greatest(a.opened_at, w.started_at)) * 1000)::bigint AS held_ms,
        coalesce(u.sampled_ms, 0)::bigint AS sampled_ms, coalesce(u.busy_ms, 0)::bigint AS busy_ms,
        n.state = 'ok' AND n.last_report_at > to_timestamp(:now) - n.silent_after_s * interval '1 second' AS heard,
        r.reading
    FROM w JOIN allocation a ON a.lease = w.id AND a.ended_at IS NULL AND {NOT_LOST} JOIN node n ON n.name = a.node
    LEFT JOIN LATERAL (
        SELECT sum(sampled_ms) AS sampled_ms, sum(busy_ms) AS busy_ms FROM allocation_use WHERE allocation = a.id
    ) u ON true
    LEFT JOIN LATERAL (
        SELECT gpu.value AS reading
        FROM jsonb_array_elements(CASE WHEN jsonb_typeof(n.reading) = 'array' THEN n.reading ELSE '[]' END) AS gpu (value)
        WHERE gpu.value ->> 'uuid' = a.gpu LIMIT 1
    ) r ON true
    ORDER BY w.id, a.gpu
    """
)

_WRITE = text(
    """
    INSERT INTO attendance (lease, kept, shown_at, told_at) SELECT id, 0, to_timestamp(:shown_at), to_timestamp(:told_at)
    FROM unnest(CAST(:leases AS text[])) AS id
    ON CONFLICT (lease) DO UPDATE SET
        shown_at = coalesce(attendance.shown_at, excluded.shown_at), told_at = coalesce(excluded.told_at, attendance.told_at)
    """
)


def pools(session: Session, *, now: float) -> list[str]:
    """Those in which a lease has to be looked at."""
    return list(session.connection().execute(_POOLS, {"now": now}).scalars())


def watched(session: Session, pool: str, *, now: float) -> list[Watched]:
    """The leases of a pool that have to be looked at, by id."""
    rows = session.connection().execute(_GPUS, {"pool": pool, "now": now}).all()
    by_lease: dict[str, list[Row[Any]]] = {}
    for row in rows:
        by_lease.setdefault(row.id, []).append(row)
    return [_watched(found) for found in by_lease.values()]


def note_shown(session: Session, leases: Iterable[str], *, now: float) -> None:
    """Something ran on these: they are not looked at again."""
    session.connection().execute(_WRITE, {"leases": list(leases), "shown_at": int(now), "told_at": None})


def get(session: Session, lease: str) -> Attendance:
    """What is known of a lease; one of which nothing is has an empty row, which is in no table."""
    return session.get(Attendance, lease, populate_existing=True) or Attendance(lease=lease)


def keep(session: Session, lease: str, *, now: float) -> int:
    """Its company keeps it, and is waited for anew; how often that was done by now."""
    found = get(session, lease)
    found.kept, found.kept_at, found.told_at = found.kept + 1, int(now), None
    if found.idle_since is not None:
        found.idle_since, found.idle_told_at = int(now), None
    session.add(found)
    session.flush()
    return found.kept


def note_told(session: Session, lease: str, *, now: float) -> None:
    """Its company was warned."""
    session.connection().execute(_WRITE, {"leases": [lease], "shown_at": None, "told_at": int(now)})


def _watched(rows: list[Row[Any]]) -> Watched:
    first = rows[0]
    return Watched(
        lease=LeaseId(first.id),
        company=CompanyId(first.company),
        started_at=Instant(first.started_at),
        after_s=first.no_show_after_s,
        kept_at=None if first.kept_at is None else Instant(first.kept_at),
        told_at=None if first.told_at is None else Instant(first.told_at),
        gpus=tuple(_gpu(row) for row in rows),
    )


def _gpu(row: Row[Any]) -> Gpu:
    reading = row.reading or {}
    return Gpu(
        held_ms=row.held_ms,
        sampled_ms=row.sampled_ms,
        busy_ms=row.busy_ms,
        heard=bool(row.heard),
        processes=reading.get("processes"),
        memory_bytes=reading.get("memory_used_bytes"),
        empty_bytes=row.empty_memory_bytes,
    )
