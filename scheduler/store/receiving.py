"""Since when reports can be received: API replicas say that they are there, so that our outage is not a node's silence."""

from sqlalchemy import text
from sqlmodel import Session, col, select

from scheduler.store.tables import Receiving

AWAY_AFTER_S = 6.0
"""No replica said that it is there for this long: reports could not be received."""

_BEAT = text(
    """
    UPDATE receiving SET
        since = CASE WHEN alive_at < to_timestamp(:now) - :away * interval '1 second' THEN to_timestamp(:now) ELSE since END,
        alive_at = greatest(alive_at, to_timestamp(:now))
    """
)


def beat(session: Session, *, now: float) -> None:
    """Called every two seconds by every API replica."""
    session.connection().execute(_BEAT, {"now": now, "away": AWAY_AFTER_S})


def since(session: Session, *, now: float) -> float | None:
    """Since when reports have been received without a break; None while nobody receives them."""
    row = session.exec(select(Receiving).where(col(Receiving.id) == 1)).one()
    return None if now - row.alive_at > AWAY_AFTER_S else row.since
