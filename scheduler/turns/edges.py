"""What is due now, and the next edge: the earliest instant at which a row says that something will be.

Read without locks, so that a turn with nothing to do disturbs nobody.
"""

from dataclasses import dataclass

from sqlalchemy import text

from scheduler.store.db import Session

_NEXT = text(
    """
    SELECT extract(epoch FROM least(
        (SELECT min(starts_at) FROM lease WHERE state = 'scheduled' AND starts_at > to_timestamp(:now)),
        (SELECT min(l.stops_at - p.grace_s * interval '1 second')
           FROM lease l JOIN pool p ON p.name = l.pool WHERE l.state = 'active'),
        (SELECT min(stops_at) FROM lease WHERE state IN ('active', 'ending')),
        (SELECT min(coalesce(start_by, start)) + interval '1 second' FROM lease WHERE state = 'queued')
    ))::float8
    """
)


def next_edge(session: Session, *, now: float) -> float | None:
    """Unix seconds; None when no row has one."""
    return session.connection().execute(_NEXT, {"now": now}).scalar_one()


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A pool, its generation, and what is to be done in it."""

    pool: str
    generation: int
    endings: bool
    stops: bool
    starts: bool
    expiries: bool
    queued: bool


_DUE = text(
    """
    SELECT p.name AS pool, p.generation,
        EXISTS (SELECT FROM lease WHERE pool = p.name AND state = 'active'
                AND stops_at <= to_timestamp(:now) + p.grace_s * interval '1 second') AS endings,
        EXISTS (SELECT FROM lease WHERE pool = p.name AND state IN ('active', 'ending')
                AND stops_at <= to_timestamp(:now)) AS stops,
        EXISTS (SELECT FROM lease WHERE pool = p.name AND state = 'scheduled'
                AND starts_at <= to_timestamp(:now)) AS starts,
        EXISTS (SELECT FROM lease WHERE pool = p.name AND state = 'queued'
                AND coalesce(start_by, start) < to_timestamp(:now)) AS expiries,
        EXISTS (SELECT FROM lease WHERE pool = p.name AND state = 'queued') AS queued
    FROM pool p ORDER BY p.name
    """
)


def due(session: Session, *, now: float) -> list[Due]:
    """Every pool, by name."""
    return [Due(**row) for row in session.connection().execute(_DUE, {"now": int(now)}).mappings()]
