"""Tables in parts of a month: made ahead, so that nobody who writes waits for one, and removed whole when they are old.

The database's owner has functions for both, which the processes may call; the limits are in them, so that no setting and no
mistake here removes more. The rest, which has what no part is for, takes what is written where a part is missing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel import Session

PARENTS = ("decision", "pool_change", "node_event")
"""In the order in which what is old goes: a log is needed as long as decisions of its time."""

AHEAD = 3
"""Months after this one that have a part."""

_MAKE = text("SELECT part_make(:parent, to_timestamp(:month))")
_OLD = text(
    "SELECT part FROM parts() WHERE parent = :parent AND ends <= to_timestamp(:before) AND ends <= clock_timestamp() ORDER BY ends"
)
_DROP = text("SELECT part_drop(:part, to_timestamp(:before))")
_REST = text(
    """
    SELECT 'decision' AS parent, count(*) AS rows FROM decision_rest WHERE id >= id_from('dec', clock_timestamp() - interval '40 days')
    UNION ALL SELECT 'pool_change', count(*) FROM pool_change_rest WHERE at > clock_timestamp() - interval '40 days'
    UNION ALL SELECT 'node_event', count(*) FROM node_event_rest WHERE at > clock_timestamp() - interval '40 days'
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A part that there is to be."""

    parent: str
    begins_at: int


def months(now: float) -> Iterator[Month]:
    """Those that every table is to have: of this month, and of the next ones."""
    today = datetime.fromtimestamp(now, UTC)
    first = today.year * 12 + today.month - 1
    for number in range(first, first + AHEAD + 1):
        begins = datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
        for parent in PARENTS:
            yield Month(parent=parent, begins_at=int(begins.timestamp()))


def make(session: Session, month: Month) -> bool:
    """Makes the part if it is missing, with what is in the rest of that month; whether it was."""
    values = {"parent": month.parent, "month": month.begins_at}
    return session.connection().execute(_MAKE, values).scalar_one()


def old(session: Session, parent: str, *, before: float) -> Sequence[str]:
    """The parts that have nothing from `before` on, the oldest first."""
    return session.connection().execute(_OLD, {"parent": parent, "before": before}).scalars().all()


def drop(session: Session, part: str, *, before: float) -> bool:
    """Removes a part; False where something in it is needed still. Raises DBAPIError for less than the least to be kept."""
    return session.connection().execute(_DROP, {"part": part, "before": before}).scalar_one()


def misplaced(session: Session) -> dict[str, int]:
    """How many rows of these weeks are in the rest, by table: none, or a part is missing. What a node's clock said was longer ago counts for nothing."""
    return {parent: rows for parent, rows in session.connection().execute(_REST) if rows}
