"""Warnings: a company hears ahead of time that its lease starts, and that it ends, once for each such instant.

One that knew of the instant for less than the lead was told it by the event that set it, and is not told it twice; nor
is the end of a box that is shorter than the lead: there the start says it. An instant that moved is a new one.
"""

from typing import NamedTuple

from scheduler.store import records, soon
from scheduler.store.db import Session

START_LEAD_S = 15 * 60
END_LEAD_S = 15 * 60
"""Policy: how long ahead a start and an end are told, in seconds."""


class Told(NamedTuple):
    """A lease whose company was told."""

    lease: str
    company: str


def warn(session: Session, *, now: float) -> tuple[list[Told], bool]:
    """Writes the warnings that are due; what was told, and whether there may be more. The caller fences and commits."""
    starting = soon.starting(session, now=now, lead_s=START_LEAD_S, event="starts_soon")
    for row in starting:
        records.event(session, row, "starts_soon", at=now, detail={"in_s": _ahead(row.starts_at, now)})
    ending = soon.ending(session, now=now, lead_s=END_LEAD_S, event="ends_soon")
    for row in ending:
        records.event(session, row, "ends_soon", at=now, detail={"in_s": _ahead(row.stops_at, now)})
    session.flush()
    told = [Told(lease=row.id, company=row.company) for row in [*starting, *ending]]
    return told, soon.BATCH in (len(starting), len(ending))


def _ahead(instant: int | None, now: float) -> int:
    assert instant is not None
    return instant - int(now)
