"""The one time authority: PostgreSQL's clock, and monotonic time since it was read.

A step of PostgreSQL's clock is not followed: small differences are slewed away, and one of more than five seconds stops
the ending of leases and alarms, until the two agree again or the process is started anew.
"""

import time
from typing import Protocol

from scheduler.store.db import Database

STEP_S = 5.0
SLEW_S = 0.05
"""The most that one reading moves the clock, so that no lease ends early by a small forward jump."""


class Clock(Protocol):
    """What tells the time, in Unix seconds."""

    def now(self) -> float: ...


READINGS = 5
"""At the start; the quickest of them say best."""


class DatabaseClock:
    """Read at the start, then again by `resync`.

    An answer that took a while says only between which two times PostgreSQL's clock is (Cristian, Probabilistic clock
    synchronization, 1989). Ours is the earlier at first and moves only to stay between them, so that nothing is early
    because the machine was busy while it asked.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        bounds = [self._measured() for _ in range(READINGS)]
        self._offset = max(least for least, _ in bounds)
        self.step_s = 0.0
        """How far PostgreSQL's clock was from ours when last read."""

    @property
    def stepped(self) -> bool:
        return abs(self.step_s) > STEP_S

    def now(self) -> float:
        return time.monotonic() + self._offset

    def databases(self) -> float:
        """PostgreSQL's own time by the last reading, steps and all: for what processes whose clocks may disagree say together."""
        return self.now() + self.step_s

    def resync(self) -> None:
        """Reads PostgreSQL's clock again. Raises Unavailable."""
        least, most = self._measured()
        self.step_s = min(max(self._offset, least), most) - self._offset
        if not self.stepped:
            self._offset += max(-SLEW_S, min(SLEW_S, self.step_s))

    def _measured(self) -> tuple[float, float]:
        """How far PostgreSQL's clock is ahead of ours, at least and at most."""
        before, read, after = self._db.clock(time.monotonic)
        return read - after, read - before
