"""When reports could be received: API replicas say that they are there, so that our outage is not a node's silence."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session, col, select

from scheduler.store.tables import Receiving

AWAY_AFTER_S = 6.0
"""No replica said that it is there for this long: people are told that reports cannot be received."""

BROKEN_AFTER_S = 4.0
"""Beats so far apart had a time between them in which reports could not be received. It is less than any node's silence takes."""

_BEAT = text(
    """
    UPDATE receiving SET
        since = CASE WHEN alive_at < to_timestamp(:now) - :away * interval '1 second' THEN to_timestamp(:now) ELSE since END,
        alive_at = greatest(alive_at, to_timestamp(:now))
    """
)


def beat(session: Session, *, now: float) -> None:
    """Called every two seconds by every API replica."""
    session.connection().execute(_BEAT, {"now": now, "away": BROKEN_AFTER_S})


@dataclass(frozen=True, slots=True)
class Stretch:
    """The newest time in which reports were received without a break, in Unix seconds: `until` the newest beat, which is all
    that is known of now.
    """

    since: float
    until: float


def stretch(session: Session) -> Stretch:
    """By what replicas said; both are 0 where none ever did."""
    row = session.exec(select(Receiving).where(col(Receiving.id) == 1)).one()
    return Stretch(row.since, row.alive_at)


def since(session: Session, *, now: float) -> float | None:
    """Since when reports have been received without a break; None while nobody receives them."""
    found = stretch(session)
    return None if now - found.until > AWAY_AFTER_S else found.since
