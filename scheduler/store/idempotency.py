"""Answers kept under an Idempotency-Key, in the transaction that did the work: both happen or neither."""

from dataclasses import dataclass

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from dure.errors import IdempotencyKeyReused
from scheduler.store.tables import IdempotentAnswer

KEPT_S = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The answer that was given."""

    status: int
    body: bytes


def claim(session: Session, *, principal: str, key: str, fingerprint: str, now: float) -> Stored | None:
    """None: the key is ours, do the work and `keep` its answer. Stored: it was done before.

    A duplicate that comes while the first is at work waits for it here. Raises IdempotencyKeyReused when the key was
    used with another request.
    """
    row = {"principal": principal, "key": key, "fingerprint": fingerprint, "created_at": int(now)}
    statement = insert(IdempotentAnswer).values(row).on_conflict_do_nothing().returning(col(IdempotentAnswer.key))
    if session.connection().execute(statement).scalar_one_or_none() is not None:
        return None
    found = session.get_one(IdempotentAnswer, (principal, key))
    if found.fingerprint != fingerprint:
        raise IdempotencyKeyReused(
            "this Idempotency-Key was used with another request; use a new key for a new request"
        )
    if found.status is None or found.body is None:
        raise RuntimeError("an idempotent answer was committed without its status")
    return Stored(status=found.status, body=found.body)


def keep(session: Session, *, principal: str, key: str, status: int, body: bytes) -> None:
    """Stores the answer under a key claimed in this transaction."""
    mine = (col(IdempotentAnswer.principal) == principal) & (col(IdempotentAnswer.key) == key)
    session.connection().execute(
        update(IdempotentAnswer)
        .where(mine)
        .values(status=status, body=body)
        .execution_options(synchronize_session=False)
    )


def forget(session: Session, *, now: float) -> int:
    """Removes answers older than a day; how many."""
    old = col(IdempotentAnswer.created_at) < int(now) - KEPT_S
    return session.connection().execute(delete(IdempotentAnswer).where(old)).rowcount
