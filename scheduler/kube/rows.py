"""What a cluster should hold, as the database says it: read again when it may have changed."""

import time
from collections.abc import Iterator

from scheduler.kube.desired import Desired
from scheduler.store import enforced
from scheduler.store.db import Database
from scheduler.store.leader import Deposed

READ_AGAIN_S = 1.0
"""It is read again after so long, whoever says that nothing changed."""

STALE_S = 10.0
"""Nothing is done on what was read longer ago."""


class Rows:
    """Of one cluster, under one lead. Read by one thread; `desired` is whole whenever another looks."""

    def __init__(self, db: Database, cluster: str, epoch: int, *, least_grace_s: int) -> None:
        self._db, self._cluster, self._epoch, self._least_grace_s = db, cluster, epoch, least_grace_s
        self._read_at = float("-inf")
        self._version: tuple[object, ...] = ()
        self.desired = Desired()

    @property
    def is_stale(self) -> bool:
        return time.monotonic() - self._read_at > STALE_S

    @property
    def is_old(self) -> bool:
        return time.monotonic() - self._read_at >= READ_AGAIN_S

    def read(self) -> Desired:
        """What was said before this.

        Raises Unavailable, and Deposed where another leads by now.
        """
        at, before = time.monotonic(), self.desired
        with self._db.snapshot() as session:
            version = enforced.version(session)
            if version[-1] != self._epoch:
                raise Deposed(f"epoch {version[-1]} leads, this is epoch {self._epoch}")
            is_other = version != self._version
            found = enforced.desired(session, self._cluster, least_grace_s=self._least_grace_s) if is_other else before
        # Only here is it read: what fails on its last step is a change still.
        self.desired, self._version, self._read_at = found, version, at
        return before


def changed(before: Desired, after: Desired) -> Iterator[str]:
    """Companies of which something else is said."""
    if before is after:
        return
    for name in before.companies.keys() | after.companies.keys():
        if before.companies.get(name) != after.companies.get(name):
            yield name
