"""Answers kept under an Idempotency-Key, in the transaction that did the work: both happen or neither."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select, tuple_

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
    earlier = _earlier(found, Key(principal=principal, key=key, fingerprint=fingerprint))
    if isinstance(earlier, IdempotencyKeyReused):
        raise earlier
    return earlier


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A client's key for a request, and what that request is."""

    principal: str
    key: str
    fingerprint: str


_CLAIM = text(
    """
    INSERT INTO idempotent_answer (principal, key, fingerprint, created_at)
    SELECT principal, key, fingerprint, to_timestamp(:now)
    FROM jsonb_to_recordset(CAST(:keys AS jsonb)) AS x (principal text, key text, fingerprint text)
    ORDER BY principal, key
    ON CONFLICT DO NOTHING RETURNING principal, key
    """
)
_KEEP = text(
    """
    UPDATE idempotent_answer a SET status = x.status, body = decode(x.body, 'base64')
    FROM jsonb_to_recordset(CAST(:answers AS jsonb)) AS x (principal text, key text, status int, body text)
    WHERE a.principal = x.principal AND a.key = x.key
    """
)
_DROP = text(
    """
    DELETE FROM idempotent_answer a USING jsonb_to_recordset(CAST(:keys AS jsonb)) AS x (principal text, key text)
    WHERE a.principal = x.principal AND a.key = x.key
    """
)


def claim_all(session: Session, keys: Sequence[Key], *, now: float) -> dict[Key, Stored | IdempotencyKeyReused]:
    """The keys that were used before, with the answer given then, or with the problem that they were for another request.

    The others are ours: do the work, and `keep_all` the answers or `drop_all` the keys.
    """
    if not keys:
        return {}
    sent = json.dumps([asdict(key) for key in keys])
    ours = {(row.principal, row.key) for row in session.connection().execute(_CLAIM, {"keys": sent, "now": int(now)})}
    theirs = [key for key in keys if (key.principal, key.key) not in ours]
    if not theirs:
        return {}
    wanted = [(key.principal, key.key) for key in theirs]
    query = select(IdempotentAnswer).where(
        tuple_(col(IdempotentAnswer.principal), col(IdempotentAnswer.key)).in_(wanted)
    )
    found = {(row.principal, row.key): row for row in session.exec(query)}
    return {key: _earlier(found[key.principal, key.key], key) for key in theirs}


def _earlier(found: IdempotentAnswer, key: Key) -> Stored | IdempotencyKeyReused:
    if found.fingerprint != key.fingerprint:
        return reused()
    if found.status is None or found.body is None:
        raise RuntimeError("an idempotent answer was committed without its status")
    return Stored(status=found.status, body=found.body)


def reused() -> IdempotencyKeyReused:
    """The problem of a key that was used with another request."""
    return IdempotencyKeyReused("this Idempotency-Key was used with another request; use a new key for a new request")


def keep_all(session: Session, answers: Mapping[Key, Stored]) -> None:
    """Stores the answers under keys claimed in this transaction."""
    if answers:
        rows = [
            {"principal": key.principal, "key": key.key, "status": found.status, "body": b64encode(found.body).decode()}
            for key, found in answers.items()
        ]
        session.connection().execute(_KEEP, {"answers": json.dumps(rows)})


def drop_all(session: Session, keys: Sequence[Key]) -> None:
    """Frees keys claimed in this transaction, whose requests were not done."""
    if keys:
        session.connection().execute(_DROP, {"keys": json.dumps([asdict(key) for key in keys])})


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
