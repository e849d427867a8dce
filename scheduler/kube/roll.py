"""Which clusters the leading scheduler is told of, kept where people see it; and what pools call a cluster that is none of them.

A pool may be given a cluster before the scheduler is: so that is no error, and it is said until it is so.
"""

import time
from collections.abc import Callable, Sequence

import structlog

from dure.errors import Unavailable
from scheduler.store import clusters
from scheduler.store.db import Database
from scheduler.store.leader import fence

log = structlog.get_logger()

AGAIN_S = 10.0
"""How often it is looked under one lead."""


class Roll:
    """`epoch` is that of our lead, None while another leads. One thread calls `look`."""

    def __init__(self, db: Database, names: Sequence[str], epoch: Callable[[], int | None]) -> None:
        self._db, self._names, self._epoch = db, names, epoch
        self._written: int | None = None
        self._looked_at = float("-inf")
        self._said: frozenset[tuple[str, str]] = frozenset()

    def look(self) -> None:
        """Now and then, and at once where we have just begun to lead. Raises Deposed where another leads by now."""
        epoch, now = self._epoch(), time.monotonic()
        if epoch is None or (epoch == self._written and now - self._looked_at < AGAIN_S):
            return
        try:
            with self._db.begin() as session:
                fence(session, epoch)
                clusters.told_of(session, self._names)
                found = frozenset(clusters.unserved(session))
        except Unavailable:
            return  # the loop says so, and it is looked again after its next turn
        self._written, self._looked_at = epoch, now
        self._say(found)

    def _say(self, found: frozenset[tuple[str, str]]) -> None:
        for pool, cluster in sorted(found - self._said):
            told_of = list(self._names)
            log.error("nobody enforces a pool", action="pool_unserved", pool=pool, cluster=cluster, told_of=told_of)
        for pool, cluster in sorted(self._said - found):
            log.info("a pool's cluster is known now, or another", action="pool_served", pool=pool, cluster=cluster)
        self._said = found
