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


class DatabaseClock:
    """Read once at the start, then again by `resync`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._offset = self._measured()
        self.step_s = 0.0
        """How far PostgreSQL's clock was from ours when last read."""

    @property
    def stepped(self) -> bool:
        return abs(self.step_s) > STEP_S

    def now(self) -> float:
        return time.monotonic() + self._offset

    def resync(self) -> None:
        """Reads PostgreSQL's clock again. Raises Unavailable."""
        self.step_s = self._measured() - self._offset
        if not self.stepped:
            self._offset += max(-SLEW_S, min(SLEW_S, self.step_s))

    def _measured(self) -> float:
        before, read, after = self._db.clock(time.monotonic)
        return read - (before + after) / 2
