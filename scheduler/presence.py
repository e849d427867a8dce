"""A process says that it is there, and how it is, so that people can be told (`dure doctor`, `dure status`)."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from scheduler.clock import DatabaseClock
from scheduler.store import processes
from scheduler.store.db import Database
from scheduler.store.tables import Process

EVERY_S = 5.0
"""How often it is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loops:
    """How a scheduler's loop is: whether it leads, and when its last turn began; 0 before the first."""

    leads: bool
    turned_at: float


class Presence:
    """Of this process, from now on; `loops` for one that has a loop."""

    def __init__(
        self,
        kind: Literal["api", "scheduler"],
        db: Database,
        clock: DatabaseClock,
        loops: Callable[[], Loops] | None = None,
    ) -> None:
        self._db, self._clock, self._loops = db, clock, loops
        self._kind, self._name, self._started_at = kind, f"{socket.gethostname()}:{os.getpid()}", clock.now()

    def say(self) -> None:
        """Raises Unavailable."""
        loops = None if self._loops is None else self._loops()
        found = Process(
            name=self._name,
            kind=self._kind,
            version=version("dure"),
            started_at=self._started_at,
            seen_at=self._clock.now(),
            leads=None if loops is None else loops.leads,
            turned_at=None if loops is None else loops.turned_at or None,
            step_s=self._clock.step_s,
        )
        with self._db.begin() as session:
            processes.say(session, found)
