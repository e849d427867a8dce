"""What a scrape reads of the database: bounded, since Prometheus gives up a scrape after 10 s and then knows nothing at all."""

import time
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from scheduler.bounded import Bounded
from scheduler.store.db import Database, Session

R = TypeVar("R")

ANSWERS_S = 2.0
"""A database that says nothing for this long does not answer."""

READS_S = 5.0
"""What one that answers may take for a whole snapshot, which has no more rows for more history."""


class Reader:
    """One look at a time, for all collectors of a process. While one hangs, it is the only thread and the only connection that does, and
    others are refused at once.
    """

    def __init__(self, db: Database) -> None:
        self._db, self._bounded, self._turn = db, Bounded(at_once=1), Lock()

    def check(self) -> None:
        """That the database answers, and its schema fits. Raises Unavailable."""
        with self._turn:
            self._bounded.within(ANSWERS_S, self._db.check)

    def read(self, work: Callable[[Session], R]) -> R:
        """What `work` finds in one snapshot. Raises Unavailable."""
        with self._turn:
            self._bounded.within(ANSWERS_S, self._answers)
            return self._bounded.within(READS_S, lambda: self._look(work))

    def _answers(self) -> None:
        self._db.clock(time.monotonic)

    def _look(self, work: Callable[[Session], R]) -> R:
        with self._db.snapshot() as session:
            return work(session)
