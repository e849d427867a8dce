"""When reports could be received: API replicas say that they are there, so that our outage is not a node's silence."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session, col, select

from scheduler.store.tables import Receiving

AWAY_AFTER_S = 6.0
"""No replica said that it is there for this long: people are told that reports cannot be received."""

BROKEN_AFTER_S = 4.0
"""Beats so far apart had a time between them in which reports could not be received. It is less than any node's silence takes."""

AHEAD_S = 10.0
"""The newest beat is so far ahead of one that comes after it: the clock went back. Less is a beat that waited for the database."""

_AFTER_S = "extract(epoch FROM to_timestamp(:now) - alive_at)"
_HEARD = f"{_AFTER_S} BETWEEN 0 AND {BROKEN_AFTER_S}"

LISTENED = f"(SELECT listened_s + CASE WHEN {_HEARD} THEN {_AFTER_S} ELSE 0 END FROM receiving)"
"""SQL: how long replicas have listened in all at `:now`, in seconds. No clock that jumps moves it."""

_BEAT = text(
    f"""
    UPDATE receiving SET
        listened_s = listened_s + CASE WHEN {_HEARD} THEN {_AFTER_S} ELSE 0 END,
        since = CASE WHEN {_AFTER_S} BETWEEN -{AHEAD_S} AND {BROKEN_AFTER_S} THEN since ELSE to_timestamp(:now) END,
        alive_at = CASE WHEN {_AFTER_S} < -{AHEAD_S} THEN to_timestamp(:now) ELSE greatest(alive_at, to_timestamp(:now)) END
    """
)


def beat(session: Session, *, now: float) -> None:
    """Called every two seconds by every API replica; `now` is PostgreSQL's own time, which replicas have in common. A beat long after
    the newest one, or long before it as the clock went back, begins a new stretch.
    """
    session.connection().execute(_BEAT, {"now": now})


@dataclass(frozen=True, slots=True)
class Stretch:
    """The newest time in which reports were received without a break, in Unix seconds: `until` the newest beat, which is all
    that is known of now. `listened_s` is the length of all stretches that there were.
    """

    since: float
    until: float
    listened_s: float


def stretch(session: Session) -> Stretch:
    """By what replicas said; all are 0 where none ever did."""
    row = session.exec(select(Receiving).where(col(Receiving.id) == 1)).one()
    return Stretch(row.since, row.alive_at, row.listened_s)


def since(session: Session, *, now: float) -> float | None:
    """Since when reports have been received without a break; None while nobody receives them. `now` as for `beat`."""
    found = stretch(session)
    return found.since if -AHEAD_S <= now - found.until <= AWAY_AFTER_S else None
