"""Decisions as they are stored, for who looks them up; they are written by `scheduler.store.plans`."""

from sqlmodel import Session, col, select

from scheduler.store.tables import Decision


def get(session: Session, decision: str) -> tuple[Decision, Decision] | None:
    """The decision, and the one that keeps what it was made from: itself, or the one that it is part of while that is kept."""
    found = session.get(Decision, decision)
    if found is None or found.part_of is None:
        return None if found is None else (found, found)
    return found, session.get(Decision, found.part_of) or found


def of_lease(session: Session, lease: str) -> list[Decision]:
    """Those about the lease alone, oldest first."""
    query = select(Decision).where(col(Decision.lease) == lease).order_by(col(Decision.at), col(Decision.id))
    return list(session.exec(query))


def since(session: Session, pool: str, generation: int, *, at: int, until: int, limit: int) -> list[Decision]:
    """Those that keep their inputs, were made from a generation or a later one, and in `[at, until)`, in order."""
    query = (
        select(Decision)
        .where(col(Decision.pool) == pool, col(Decision.inputs).is_not(None), col(Decision.generation) >= generation)
        .where(col(Decision.at) >= at, col(Decision.at) < until)
        .order_by(col(Decision.generation), col(Decision.id))
        .limit(limit)
    )
    return list(session.exec(query))
