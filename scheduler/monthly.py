"""Parts of a month: made ahead, and removed whole when they are kept no longer. Both are jobs of the leader's."""

import structlog

from dure.errors import Unavailable
from scheduler.loop import Loop
from scheduler.retention import Keep
from scheduler.store import parts
from scheduler.store.db import Database

log = structlog.get_logger()


def make_parts(db: Database, loop: Loop, now: float) -> int:
    """Makes the parts of the next months; only the leader does. How many were missing."""
    if not loop.leads:
        return 0
    made = 0
    for month in parts.months(now):
        try:
            with db.begin() as session:
                made += parts.make(session, month)
        except Unavailable as error:
            log.warning("a part was not made now", action="part_put_off", table=month.parent, error=str(error))
    with db.snapshot() as session:
        misplaced = parts.misplaced(session)
    for table, rows in misplaced.items():
        log.error("rows are in no part of a month; is the disk full?", action="part_missing", table=table, rows=rows)
    return made


def forget_parts(db: Database, loop: Loop, now: float, keep: Keep) -> list[str]:
    """Removes months of decisions, logs and what happened on nodes that are kept no longer; only the leader does.

    The parts that went.
    """
    gone = list[str]()
    if not loop.leads:
        return gone
    for parent in parts.PARENTS:
        kept_s = keep.of(parent)
        if kept_s is not None:
            gone += _forgotten(db, parent, now - kept_s)
    return gone


def _forgotten(db: Database, parent: str, before: float) -> list[str]:
    with db.snapshot() as session:
        old = parts.old(session, parent, before=before)
    gone = list[str]()
    for part in old:
        try:
            with db.begin() as session:
                dropped = parts.drop(session, part, before=before)
        except Unavailable as error:
            log.warning("a part was not removed now", action="part_put_off", part=part, error=str(error))
            continue
        log.info("a part was removed, or is needed still", action="part_forget", part=part, removed=dropped)
        gone += [part] if dropped else []
    return gone
