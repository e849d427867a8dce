"""What companies had and used, in GPU-seconds, over a stretch of time.

Delivered time comes from the leases' own instants (as the ledger settles it), use from the agents' running totals. An
agent's totals carry no times within an allocation: an allocation that lies partly outside the stretch counts in
proportion. A lease that was resized counts with each of its sizes for as long as it had it.
"""

from datetime import datetime

from sqlalchemy import text
from sqlmodel import Session

from dure import wire
from dure.errors import InvalidRequest
from scheduler.actor import Actor
from scheduler.store import companies
from scheduler.store.times import from_wire

_USAGE = text(
    """
    WITH box AS (
        SELECT l.id, l.company, l.pool, l.starts_at, l.started_at, b.stops_at,
               coalesce(l.resized_at, l.starts_at) AS sized_at, l.total_gpus, l.resized_at IS NOT NULL AS resized
        FROM lease l
        -- One that never started stopped at its start, and lost its whole box.
        CROSS JOIN LATERAL (SELECT CASE WHEN l.started_at IS NULL THEN l.ends_at ELSE l.stops_at END AS stops_at) b
        WHERE l.state IN ('active', 'ending', 'ended')
          AND l.starts_at < to_timestamp(:until) AND b.stops_at > to_timestamp(:since)
          AND (CAST(:company AS text) IS NULL OR l.company = :company)
    ), size AS (
        SELECT id, total_gpus AS gpus, greatest(sized_at, to_timestamp(:since)) AS since,
               least(stops_at, to_timestamp(:until)) AS until, coalesce(started_at, 'infinity') AS started_at
        FROM box
        UNION ALL
        SELECT b.id, s.gpus, greatest(s.since, to_timestamp(:since)), least(s.until, b.stops_at, to_timestamp(:until)),
               coalesce(b.started_at, 'infinity')
        FROM box b JOIN lease_span s ON s.lease = b.id
        WHERE b.resized
    ), part AS (
        SELECT id, sum(gpus * box_s) AS box, sum(gpus * had_s) AS had
        FROM size CROSS JOIN LATERAL (
            SELECT extract(epoch FROM greatest(until - since, interval '0')) AS box_s,
                   extract(epoch FROM greatest(until - least(greatest(since, started_at), until), interval '0')) AS had_s
        ) s
        GROUP BY id
    ), held AS (
        SELECT a.id, a.lease,
               extract(epoch FROM greatest(h.until - h.since, interval '0')) AS so_far_s,
               extract(epoch FROM greatest(
                   least(h.until, to_timestamp(:until)) - greatest(h.since, to_timestamp(:since)), interval '0')) AS had_s
        FROM box b JOIN allocation a ON a.lease = b.id
        CROSS JOIN LATERAL (
            SELECT greatest(a.opened_at, b.started_at, b.starts_at) AS since,
                   least(a.ended_at, b.stops_at, to_timestamp(:now)) AS until
        ) h
    ), used AS (
        SELECT h.lease AS id, sum(least(u.busy_ms, h.so_far_s * 1000) * h.had_s / nullif(h.so_far_s, 0)) AS busy_ms,
               sum(u.energy * h.had_s / nullif(h.so_far_s, 0)) AS energy
        FROM held h
        JOIN (SELECT allocation, sum(busy_ms) AS busy_ms, sum(energy_millijoules) AS energy
              FROM allocation_use GROUP BY allocation) u ON u.allocation = h.id
        GROUP BY h.lease
    )
    SELECT b.company, b.pool, count(*) AS leases,
           sum(p.had)::bigint AS leased,
           sum(p.box - p.had)::bigint AS lost,
           coalesce(floor(sum(used.busy_ms) / 1000), 0)::bigint AS busy,
           floor(sum(used.energy) / 1000)::bigint AS joules
    FROM box b JOIN part p ON p.id = b.id LEFT JOIN used ON used.id = b.id
    GROUP BY b.company, b.pool ORDER BY b.company, b.pool
    """
)
"""A lease has the sizes of its spans and, since it was last resized, that of its row; each GPU its allocation's own time."""


def show(
    session: Session, *, actor: Actor, company: str | None, since: datetime, until: datetime, now: float
) -> wire.Usage:
    """Up to now at most; a company sees its own alone. Raises UnknownCompany, InvalidRequest."""
    if until <= since:
        message = "it comes after since"
        raise InvalidRequest.about("until", message)
    if company is not None:
        companies.row(session, company)
    values = {
        "company": actor.company or company,
        "since": from_wire(since),
        "until": min(from_wire(until), int(now)),
        "now": int(now),
    }
    rows = session.connection().execute(_USAGE, values)
    return wire.Usage(
        since=since,
        until=until,
        rows=[
            wire.CompanyUsage(
                company=row.company,
                pool=row.pool,
                leases=row.leases,
                leased_gpu_seconds=row.leased,
                lost_gpu_seconds=row.lost,
                busy_gpu_seconds=min(row.busy, row.leased),
                energy_joules=row.joules,
            )
            for row in rows
        ],
    )
