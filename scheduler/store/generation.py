"""The pool's row: its lock makes a transaction the only one that decides, its number says what the calendar has seen."""

from collections.abc import Iterable

from sqlalchemy import update
from sqlmodel import Session, col, select

from dure.errors import UnknownPool
from scheduler.store.tables import Pool


def lock(session: Session, pool: str) -> Pool:
    """The pool's row, locked until the transaction ends: whoever holds it decides alone. Raises UnknownPool."""
    query = select(Pool).where(col(Pool.name) == pool).with_for_update().execution_options(populate_existing=True)
    found = session.exec(query).one_or_none()
    if found is None:
        raise unknown(pool)
    return found


def lock_all(session: Session, pools: Iterable[str]) -> None:
    """Locks pools in the order of their names, so that no two transactions wait for each other."""
    for pool in sorted(pools):
        lock(session, pool)


def bump(session: Session, pool: str) -> int:
    """Raises the generation of a locked pool and answers it; changed rows that the calendar reads carry it."""
    statement = (
        update(Pool)
        .where(col(Pool.name) == pool)
        .values(generation=Pool.generation + 1)
        .returning(col(Pool.generation))
        .execution_options(synchronize_session=False)
    )
    return session.connection().execute(statement).scalar_one()


def unknown(pool: str) -> UnknownPool:
    return UnknownPool(f"there is no pool {pool}; `dure pool list` shows those there are")


def current(session: Session, pool: str) -> int:
    """The pool's generation as this transaction sees it."""
    return session.exec(select(Pool.generation).where(col(Pool.name) == pool)).one()
