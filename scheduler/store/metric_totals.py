"""Sums over all leases that there ever were, for metrics: what is over is added up once, by triggers, and never read again."""

from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import Session

from scheduler import days
from scheduler.store import programme
from scheduler.store.lease_days import UNWRITTEN_DAYS, stretch

TOLD_S = 30
"""So often what was used is added up, for every scrape until the next time."""

_OVER = text("SELECT pool, state, sum(leases)::bigint AS leases FROM leases_over GROUP BY pool, state")

_FOLD = text(
    """
    WITH gone AS (DELETE FROM leases_over RETURNING pool, state, leases)
    INSERT INTO leases_over (pool, state, leases) SELECT pool, state, sum(leases) FROM gone GROUP BY pool, state
    """
)

_TELL = text(
    f"""
    {UNWRITTEN_DAYS}, unwritten AS (
        SELECT d.company, d.pool, v.kind, sum(v.value)::bigint AS value
        FROM lease_days d CROSS JOIN LATERAL (
            VALUES ('leased', d.leased), ('busy', d.busy), ('idle', d.idle), ('lost', d.lost), ('joules', d.energy_joules)
        ) v (kind, value)
        WHERE v.value IS NOT NULL GROUP BY 1, 2, 3
    )
    INSERT INTO use_total AS t (company, pool, kind, counted, told)
    SELECT company, pool, kind, 0, coalesce(o.counted, 0) + coalesce(u.value, 0)
    FROM use_total o FULL JOIN unwritten u USING (company, pool, kind)
    WHERE o.told IS NULL OR o.told < o.counted + coalesce(u.value, 0)
    ORDER BY 1, 2, 3
    ON CONFLICT (company, pool, kind) DO UPDATE SET told = greatest(t.told, excluded.told)
    """
)
"""Of one instant: what is counted meanwhile is in neither of its parts, or in both as it was."""

_TOLD = text("SELECT company, pool, kind, told FROM use_total WHERE told IS NOT NULL")


class Told(NamedTuple):
    """By company and pool, and GPU-seconds also by kind: `leased`, `busy`, `idle` and `lost`. Joules where any were told of."""

    gpu_seconds: dict[tuple[str, str, str], int]
    joules: dict[tuple[str, str], int]


def over(session: Session) -> dict[tuple[str, str], int]:
    """How many leases are over, by pool and state; nothing of those that none is in."""
    return {(row.pool, row.state): row.leases for row in session.connection().execute(_OVER)}


def fold(session: Session) -> None:
    """Makes one row a pool and state of all that were written, so that there are never many."""
    session.connection().execute(_FOLD)


def tell(session: Session, *, now: float) -> None:
    """Adds what leases that are not counted have by now to what is counted, for `told`, which never falls: where something turns out
    to be lost, or not to be, it stands until the rest catches up.
    """
    until = days.midnights(now, programme.zone(session))[2]
    values = stretch(session, 0, until, now=now).values(now=now, company=None, pool=None)
    session.connection().execute(_TELL, values)


def told(session: Session) -> Told:
    """Since the programme began, as it was last told."""
    found = Told({}, {})
    for row in session.connection().execute(_TOLD):
        if row.kind == "joules":
            found.joules[row.company, row.pool] = row.told
        else:
            found.gpu_seconds[row.company, row.pool, row.kind] = row.told
    return found
