"""What is known of leases that may be idle, in pools that give such leases back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlmodel import Session

from scheduler.core.idling import STRETCH_S, Gpu, Watched
from scheduler.core.model import CompanyId, Instant, LeaseId, Purpose
from scheduler.store.lost_gpus import NOT_LOST
from scheduler.store.tables import Lease, Pool

_AFTER = "CASE l.purpose WHEN 'inference' THEN p.inference_idle_after_s ELSE p.idle_after_s END"
_BELOW = "CASE l.purpose WHEN 'inference' THEN p.inference_idle_below_ppm ELSE p.idle_below_ppm END"

_WATCHED = f"""
    FROM lease l JOIN pool p ON p.name = l.pool LEFT JOIN attendance t ON t.lease = l.id
    WHERE l.state = 'active' AND ({_AFTER}) IS NOT NULL
      AND (t.idle_seen_at IS NULL OR t.idle_seen_at <= to_timestamp(:now) - {STRETCH_S} * interval '1 second')
"""

_POOLS = text(f"SELECT DISTINCT l.pool {_WATCHED} ORDER BY l.pool")

_GPUS = text(
    f"""
    WITH w AS (
        SELECT l.id, l.company, {_AFTER} AS after_s, {_BELOW} AS below_ppm, t.idle_seen_at, t.idle_since, t.idle_told_at
        {_WATCHED} AND l.pool = :pool
    )
    SELECT w.id, w.company, w.after_s, w.below_ppm, extract(epoch FROM w.idle_seen_at)::bigint AS seen_at,
        extract(epoch FROM w.idle_since)::bigint AS since, extract(epoch FROM w.idle_told_at)::bigint AS told_at,
        a.id AS allocation, u.sampled_ms, u.busy_ms, s.sampled_ms AS sampled_ms_before, s.busy_ms AS busy_ms_before
    FROM w JOIN allocation a ON a.lease = w.id AND a.ended_at IS NULL AND {NOT_LOST}
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(sampled_ms), 0)::bigint AS sampled_ms, coalesce(sum(busy_ms), 0)::bigint AS busy_ms
        FROM allocation_use WHERE allocation = a.id
    ) u
    LEFT JOIN allocation_seen s ON s.allocation = a.id
    ORDER BY w.id, a.id
    """
)

_NOTE = text(
    """
    INSERT INTO attendance (lease, kept, idle_seen_at, idle_since, idle_told_at)
    SELECT lease, 0, to_timestamp(:now), to_timestamp(since), to_timestamp(told_at)
    FROM unnest(CAST(:leases AS text[]), CAST(:since AS bigint[]), CAST(:told AS bigint[])) AS n (lease, since, told_at)
    ON CONFLICT (lease) DO UPDATE SET
        idle_seen_at = excluded.idle_seen_at, idle_since = excluded.idle_since, idle_told_at = excluded.idle_told_at
    """
)

_SEEN = text(
    """
    INSERT INTO allocation_seen (allocation, sampled_ms, busy_ms)
    SELECT * FROM unnest(CAST(:allocations AS text[]), CAST(:sampled AS bigint[]), CAST(:busy AS bigint[]))
    ON CONFLICT (allocation) DO UPDATE SET sampled_ms = excluded.sampled_ms, busy_ms = excluded.busy_ms
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What is to be kept in mind of a lease after a look."""

    watched: Watched
    since: int
    told_at: int | None


def after_s(pool: Pool, lease: Lease) -> int | None:
    """For how long a lease like that may be idle; None is for ever."""
    return pool.inference_idle_after_s if lease.purpose == Purpose.INFERENCE else pool.idle_after_s


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


def note(session: Session, found: Sequence[Noted], *, now: float) -> None:
    """Writes what was seen, from which the next stretch begins."""
    leases = [one.watched.lease for one in found]
    said = {"since": [one.since for one in found], "told": [one.told_at for one in found]}
    gpus = [gpu for one in found for gpu in one.watched.gpus]
    connection = session.connection()
    connection.execute(_NOTE, {"leases": leases, "now": int(now), **said})
    connection.execute(
        _SEEN,
        {
            "allocations": [gpu.allocation for gpu in gpus],
            "sampled": [gpu.sampled_ms for gpu in gpus],
            "busy": [gpu.busy_ms for gpu in gpus],
        },
    )


def _watched(rows: list[Row[Any]]) -> Watched:
    first = rows[0]
    return Watched(
        lease=LeaseId(first.id),
        company=CompanyId(first.company),
        after_s=first.after_s,
        below_ppm=first.below_ppm,
        gpus=tuple(_gpu(row) for row in rows),
        seen_at=_instant(first.seen_at),
        since=_instant(first.since),
        told_at=_instant(first.told_at),
    )


def _instant(seconds: int | None) -> Instant | None:
    return None if seconds is None else Instant(seconds)


def _gpu(row: Row[Any]) -> Gpu:
    return Gpu(
        allocation=row.allocation,
        sampled_ms=row.sampled_ms,
        busy_ms=row.busy_ms,
        sampled_ms_before=row.sampled_ms_before,
        busy_ms_before=row.busy_ms_before,
    )
