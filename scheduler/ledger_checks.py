"""The leader adds the ledger up again now and then, so that somebody is told when it does not balance, or when nobody knows."""

from collections.abc import Callable
from threading import Lock

import structlog

from dure import wire
from dure.errors import Unavailable
from dure.wire import Role
from scheduler.actor import Actor
from scheduler.loop import Loop
from scheduler.store import ledger_verified, pools, sums
from scheduler.store.db import Database, ran_out

log = structlog.get_logger()

VERIFIED_S = 900
"""So long after the last time it is done again, unless the settings say otherwise."""

LONGEST_S = 1800
"""So long each of its statements may take."""

_HOUSEKEEPING = Actor(role=Role.AUDITOR, token="housekeeping")


class LedgerChecks:
    """Does what `dure ledger verify` does. A check that failed is as far from the next one as a check that went through."""

    def __init__(self, db: Database, loop: Loop, now: Callable[[], float], *, every_s: float = VERIFIED_S) -> None:
        self._db, self._loop, self._now, self._every_s = db, loop, now, every_s
        self._alone = Lock()
        self._ended_at = 0.0
        self._failed = 0

    def look(self) -> bool:
        """Adds it up where that is due; only the leader does, and once at a time. Whether it was added up.

        Raises Unavailable where the database does not even say when it was added up last.
        """
        if not self._loop.leads or not self._alone.acquire(blocking=False):
            return False
        try:
            return self._due() and self._tried()
        finally:
            self._alone.release()

    def _due(self) -> bool:
        """Of this process's own tries from their end on, so that the database has as long a rest however long they take."""
        now = self._now()
        if now - self._ended_at < self._every_s:
            return False
        with self._db.snapshot() as session:
            last = ledger_verified.last(session)
        return last is None or not 0 <= now - last.at < self._every_s

    def _tried(self) -> bool:
        began = self._now()
        try:
            done = self._verify(began)
        except Unavailable as error:
            self._failed += 1
            log.error(
                "the ledger was not added up",
                action="ledger_unverified",
                failed=self._failed,
                too_slow=ran_out(error),
                error=str(error),
                took_s=round(self._now() - began),
                again_in_s=self._every_s,
            )
            return False
        finally:
            self._ended_at = self._now()
        self._failed = 0
        return done

    def _verify(self, now: float) -> bool:
        """False where another leads meanwhile. A snapshot for each pool: while there is one, nothing is tidied up in any table that was changed since it began."""
        with self._db.snapshot() as session:
            names = pools.names(session)
        found = [self._of(pool) for pool in names if self._loop.leads]
        if len(found) < len(names):
            return False
        with self._db.begin() as session:
            ledger_verified.note(session, found, now=now)
        for fault in (fault for one in found for fault in one.faults):
            said = fault.model_dump(mode="json", exclude_none=True)
            log.error("the ledger does not add up", action="ledger_fault", **said)
        return True

    def _of(self, pool: str) -> wire.LedgerCheck:
        with self._db.long_snapshot(LONGEST_S) as session:
            return sums.verify(session, company=None, pool=pool, actor=_HOUSEKEEPING)
