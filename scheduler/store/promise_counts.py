"""What became of promises, counted in the transaction in which it did: no count is lost with a process, and none is read twice."""

from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlmodel import Session, select

from scheduler.core.model import Cause
from scheduler.core.promises import Counts, Happened
from scheduler.store.tables import PromiseCount

_ADD = text(
    """
    INSERT INTO promise_count AS known (pool, kind, cause, count)
    SELECT :pool, kind, cause, count FROM unnest(CAST(:kinds AS text[]), CAST(:causes AS text[]), CAST(:counts AS bigint[]))
        AS counted (kind, cause, count)
    ON CONFLICT (pool, kind, cause) DO UPDATE SET count = known.count + excluded.count
    """
)


def add(session: Session, pool: str, counts: Counts) -> None:
    """The caller holds the pool's lock, and commits."""
    if not counts:
        return
    kinds = [kind.value for kind, _ in counts]
    causes = ["" if cause is None else cause.value for _, cause in counts]
    found = {"pool": pool, "kinds": kinds, "causes": causes, "counts": list(counts.values())}
    session.connection().execute(_ADD, found)


def read(session: Session, pools: Sequence[str]) -> Mapping[Happened, Mapping[tuple[str, ...], int]]:
    """All that ever was, by pool, or by pool and cause; 0 for what never was."""
    found = {(row.kind, row.pool, row.cause): row.count for row in session.exec(select(PromiseCount))}
    return {
        kind: {
            (pool, cause) if cause else (pool,): found.get((kind.value, pool, cause), 0)
            for pool in pools
            for cause in (Cause if kind.has_cause else [""])
        }
        for kind in Happened
    }
