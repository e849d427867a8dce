"""How many violations there are and ever were, and the end of those that are kept no longer."""

from collections.abc import Iterable

from sqlalchemy import text
from sqlmodel import Session, col, delete

from scheduler.ids import first_id
from scheduler.store.tables import Violation

KEPT_S = 2 * 365 * 24 * 3600
"""So long after it was over one is kept."""

SETTLES_S = 3600
"""Whatever began longer ago is committed by now."""

Counts = dict[tuple[str, str], int]
"""By pool and kind."""

_NOW = text(
    "SELECT coalesce(pool, '') AS pool, kind, count(*) AS found FROM violation WHERE ended_at IS NULL GROUP BY 1, 2"
)

_UPTO = text("SELECT coalesce(max(upto), '') FROM violation_count")

_EVER = text(
    """
    SELECT pool, kind, sum(found) AS found FROM (
        SELECT pool, kind, found FROM violation_count
        UNION ALL
        SELECT coalesce(pool, ''), kind, count(*) FROM violation WHERE id > :upto GROUP BY 1, 2
    ) c GROUP BY 1, 2
    """
)
"""Said and not looked up, `upto` is planned for by the index."""

_ADD = text(
    """
    INSERT INTO violation_count AS c (pool, kind, found, upto)
    SELECT coalesce(pool, ''), kind, count(*), :upto FROM violation
    WHERE id > coalesce((SELECT max(upto) FROM violation_count), '') AND id <= :upto GROUP BY 1, 2
    ON CONFLICT (pool, kind) DO UPDATE SET found = c.found + excluded.found, upto = excluded.upto
    """
)


def counts(session: Session, pools: Iterable[str]) -> tuple[Counts, Counts]:
    """Those that there are now, and all that there ever were."""
    none: Counts = {(pool, kind): 0 for pool in pools for kind in ("process", "pod")}
    connection = session.connection()
    now = connection.execute(_NOW).all()
    ever = connection.execute(_EVER, {"upto": connection.execute(_UPTO).scalar_one()}).all()
    return (
        none | {(row.pool, row.kind): int(row.found) for row in now},
        none | {(row.pool, row.kind): int(row.found) for row in ever},
    )


def forget(session: Session, *, now: float) -> int:
    """Adds up what began until an hour ago, so that nobody counts it again, and removes those that were over for longer than they
    are kept; how many. For the leader alone.
    """
    session.connection().execute(_ADD, {"upto": first_id("vio", now - SETTLES_S)})
    return session.exec(delete(Violation).where(col(Violation.ended_at) < int(now) - KEPT_S)).rowcount
