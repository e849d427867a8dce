"""What an API process does by itself: says every two seconds that reports can be received, reads the database's clock, and says
that it is there.
"""

import structlog

from api.repeating import Repeating
from dure.errors import Unavailable
from scheduler.clock import DatabaseClock
from scheduler.presence import EVERY_S, Presence
from scheduler.store import receiving
from scheduler.store.db import Database

log = structlog.get_logger()

BEAT_S = 2.0


class Pulse(Repeating):
    """A thread between `with` and its end. A database that is away is waited for."""

    def __init__(self, db: Database, clock: DatabaseClock) -> None:
        super().__init__("pulse", self._try, every_s=BEAT_S)
        self._db = db
        self._clock = clock
        self._presence = Presence("api", db, clock)
        self._say_at = 0.0
        self._away = False

    def beat(self) -> None:
        """One beat. Raises Unavailable."""
        self._clock.resync()
        with self._db.begin() as session:
            receiving.beat(session, now=self._clock.databases())
        if self._clock.now() >= self._say_at:
            self._presence.say()
            self._say_at = self._clock.now() + EVERY_S

    def _try(self) -> None:
        try:
            self.beat()
            self._away = False
        except Unavailable as error:
            if not self._away:
                log.warning("the database is away", action="database_away", detail=error.detail)
            self._away = True
        except Exception:
            log.exception("a beat failed", action="beat_failed")
