"""What companies had and used, in GPU-seconds, over a stretch of time.

Delivered time comes from the leases' own instants (as the ledger settles it), use from the agents' running totals. An
agent's totals carry no times within an allocation: an allocation that lies partly outside the stretch counts in
proportion.
"""

from datetime import datetime

from sqlalchemy import text
from sqlmodel import Session

from dure import wire
from dure.errors import InvalidRequest
from dure.wire import FieldError
from scheduler.actor import Actor
from scheduler.store import companies
from scheduler.store.times import from_wire

_USAGE = text(
    """
    WITH box AS (
        SELECT l.id, l.company, l.pool, l.total_gpus,
               greatest(l.starts_at, to_timestamp(:since)) AS box_from,
               greatest(coalesce(l.started_at, 'infinity'), l.starts_at, to_timestamp(:since)) AS had_from,
               least(b.stops_at, to_timestamp(:until)) AS until,
               extract(epoch FROM least(b.stops_at, to_timestamp(:now)) - greatest(l.started_at, l.starts_at)) AS so_far_s
        FROM lease l
        -- One that never started stopped at its start, and lost its whole box.
        CROSS JOIN LATERAL (SELECT CASE WHEN l.started_at IS NULL THEN l.ends_at ELSE l.stops_at END AS stops_at) b
        WHERE l.state IN ('active', 'ending', 'ended')
          AND l.starts_at < to_timestamp(:until) AND b.stops_at > to_timestamp(:since)
          AND (CAST(:company AS text) IS NULL OR l.company = :company)
    ), part AS (
        SELECT *, extract(epoch FROM greatest(until - box_from, interval '0'))::bigint AS box_s,
               extract(epoch FROM greatest(until - least(had_from, until), interval '0'))::bigint AS had_s
        FROM box
    ), used AS (
        SELECT p.id, sum(least(u.busy_ms, p.so_far_s * 1000) * p.had_s / nullif(p.so_far_s, 0)) AS busy_ms,
               sum(u.energy * p.had_s / nullif(p.so_far_s, 0)) AS energy
        FROM part p
        JOIN allocation a ON a.lease = p.id
        JOIN (SELECT allocation, sum(busy_ms) AS busy_ms, sum(energy_millijoules) AS energy
              FROM allocation_use GROUP BY allocation) u ON u.allocation = a.id
        GROUP BY p.id
    )
    SELECT p.company, p.pool, count(*) AS leases,
           sum(p.total_gpus * p.had_s)::bigint AS leased,
           sum(p.total_gpus * (p.box_s - p.had_s))::bigint AS lost,
           coalesce(floor(sum(used.busy_ms) / 1000), 0)::bigint AS busy,
           floor(sum(used.energy) / 1000)::bigint AS joules
    FROM part p LEFT JOIN used ON used.id = p.id
    GROUP BY p.company, p.pool ORDER BY p.company, p.pool
    """
)


def show(
    session: Session, *, actor: Actor, company: str | None, since: datetime, until: datetime, now: float
) -> wire.Usage:
    """Up to now at most; a company sees its own alone. Raises UnknownCompany, InvalidRequest."""
    if until <= since:
        message = "until comes after since"
        raise InvalidRequest(f"until: {message}", errors=[FieldError(field="until", message=message)])
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
