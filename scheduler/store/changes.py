"""What changed in a pool's book, generation by generation: written with every change, read to bring a copy up to date."""

from collections.abc import Iterable

from sqlmodel import Session, col, select

from scheduler.core import codec
from scheduler.core.codec import Item
from scheduler.store import bulk
from scheduler.store.tables import PoolChange


def write(session: Session, pool: str, generation: int, items: Iterable[Item], *, at: float) -> None:
    """Writes down what the pool's book has from this generation on, in the caller's transaction."""
    bulk.insert(session, rows(pool, generation, items, at=at))


def rows(pool: str, generation: int, items: Iterable[Item], *, at: float) -> bulk.Rows:
    """The same, to be written with others."""
    found: list[bulk.Row] = [
        {
            "pool": pool,
            "generation": generation,
            "at": int(at),
            "kind": codec.kind(item),
            "subject": codec.subject(item),
            "value": codec.encode(item),
        }
        for item in items
    ]
    return PoolChange, found


def since(session: Session, pool: str, generation: int) -> list[Item]:
    """What changed after a generation, in order."""
    query = (
        select(PoolChange.kind, PoolChange.value)
        .where(col(PoolChange.pool) == pool, col(PoolChange.generation) > generation)
        .order_by(col(PoolChange.generation), col(PoolChange.seq))
    )
    return [codec.decode(kind, value) for kind, value in session.exec(query)]


def newest(session: Session, pool: str, kind: str, generation: int | None = None) -> Item | None:
    """The last one of a kind that a pool has one of, or the last up to a generation; None before there was any."""
    query = (
        select(PoolChange.value)
        .where(col(PoolChange.pool) == pool, col(PoolChange.kind) == kind)
        .order_by(col(PoolChange.generation).desc(), col(PoolChange.seq).desc())
        .limit(1)
    )
    if generation is not None:
        query = query.where(col(PoolChange.generation) <= generation)
    value = session.exec(query).first()
    return None if value is None else codec.decode(kind, value)
