"""What leases there are, what starts and ends next, how much room promises have, and what waits."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from dure.wire import LeaseState
from scheduler.store import metric_totals
from scheduler.store.snapshot.open_leases import OPEN
from scheduler.store.tables import Allocation, AllocationLoss, Lease

WITHIN_S = {"15m": 900, "1h": 3600, "24h": 86_400}

_GPUS = ", ".join(
    f"""
    coalesce(sum(l.total_gpus) FILTER (WHERE {which} <= to_timestamp(:now) + {seconds} * interval '1 second'), 0)::bigint
        AS "{edge} {within}"
    """
    for edge, which in (
        ("start", "l.state = 'scheduled' AND l.starts_at"),
        ("end", "l.state <> 'queued' AND l.stops_at"),
    )
    for within, seconds in WITHIN_S.items()
)

_STANDING = text(
    f"""
    WITH {OPEN}
    SELECT p.name AS pool, {_GPUS},
        extract(epoch FROM min(l.starts_at) FILTER (WHERE l.state = 'scheduled'))::float8 AS next_start,
        extract(epoch FROM min(l.stops_at) FILTER (WHERE l.state <> 'queued'))::float8 AS next_end,
        extract(epoch FROM min(l.promised_start - l.starts_at) FILTER (WHERE l.state = 'scheduled'))::float8 AS slack_s,
        coalesce(sum(l.total_gpus) FILTER (WHERE l.state = 'queued'), 0)::bigint AS queue_gpus,
        count(*) FILTER (WHERE l.state = 'queued') AS queue_asks,
        coalesce(extract(epoch FROM to_timestamp(:now) - min(l.asked_at) FILTER (WHERE l.state = 'queued')), 0)::float8 AS oldest_s
    FROM pool p LEFT JOIN open_lease l ON l.pool = p.name GROUP BY p.name
    """
)

_OPENED = text(f"WITH {OPEN} SELECT pool, state, count(*) AS leases FROM open_lease GROUP BY pool, state")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What waits in a pool; the age of the oldest ask is 0 where there is none."""

    gpus: int
    asks: int
    oldest_age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """`leases` by (pool, state). `due` are GPUs by (pool, edge, within), `edges` the next instants by (pool, edge), and `slack_s` the least
    that a promise of the pool has: without a lease of that kind there is none.
    """

    leases: dict[tuple[str, str], int]
    overdue: dict[str, int]
    degraded: dict[str, int]
    due: dict[tuple[str, str, str], int]
    edges: dict[tuple[str, str], float]
    slack_s: dict[str, float]
    queues: dict[str, Queue]


def read(session: Session, pools: Sequence[str], *, now: float) -> Calendar:
    """As of the session's snapshot."""
    rows = session.connection().execute(_STANDING, {"now": int(now)}).mappings().all()
    nexts = {(row["pool"], edge): row[f"next_{edge}"] for row in rows for edge in ("start", "end")}
    return Calendar(
        leases=_leases(session, pools),
        overdue=_overdue(session, pools, now),
        degraded=_degraded(session, pools),
        due={
            (row["pool"], edge, within): row[f"{edge} {within}"]
            for row in rows
            for edge in ("start", "end")
            for within in WITHIN_S
        },
        edges={key: at for key, at in nexts.items() if at is not None},
        slack_s={row["pool"]: row["slack_s"] for row in rows if row["slack_s"] is not None},
        queues={
            row["pool"]: Queue(gpus=row["queue_gpus"], asks=row["queue_asks"], oldest_age_s=max(0.0, row["oldest_s"]))
            for row in rows
        },
    )


def _leases(session: Session, pools: Sequence[str]) -> dict[tuple[str, str], int]:
    """Those that are open are counted, and of those that are over it is known how many there are."""
    none = {(pool, state.value): 0 for pool in pools for state in LeaseState}
    opened = {(row.pool, row.state): row.leases for row in session.connection().execute(_OPENED)}
    return none | opened | metric_totals.over(session)


def _overdue(session: Session, pools: Sequence[str], now: float) -> dict[str, int]:
    query = (
        select(Lease.pool, func.count())
        .where(col(Lease.state).in_(("active", "ending")), col(Lease.stops_at) < int(now))
        .group_by(col(Lease.pool))
    )
    return {**dict.fromkeys(pools, 0), **dict(session.exec(query).all())}


def _degraded(session: Session, pools: Sequence[str]) -> dict[str, int]:
    """Leases that are without some of their GPUs."""
    query = (
        select(Lease.pool, func.count(func.distinct(Lease.id)))
        .join(Allocation, col(Allocation.lease) == col(Lease.id))
        .join(AllocationLoss, col(AllocationLoss.allocation) == col(Allocation.id))
        .where(col(AllocationLoss.until).is_(None))
        .group_by(col(Lease.pool))
    )
    return {**dict.fromkeys(pools, 0), **dict(session.exec(query).all())}
