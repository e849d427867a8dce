"""How a cluster is: when it last answered, and what is wrong with it."""

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger()


class Condition:
    """What is wrong is kept by what found it, until that finds it well. Safe from any thread."""

    def __init__(self, cluster: str, now: Callable[[], float]) -> None:
        self._cluster, self._now = cluster, now
        self._lock = threading.Lock()
        self._wrong: dict[str, str] = {}
        self.heard_at: float | None = None
        self.version: str | None = None

    @property
    def trouble(self) -> str | None:
        """What is wrong, in a sentence; of several things one."""
        with self._lock:
            return next(iter(self._wrong.values()), None)

    def heard(self) -> None:
        """It answered."""
        self.heard_at = self._now()

    def well(self, what: str) -> None:
        """Nothing is wrong as far as `what` sees."""
        with self._lock:
            was = self._wrong.pop(what, None)
            is_well = not self._wrong
        if was is not None and is_well:
            log.info("a cluster is well again", action="cluster_well", cluster=self._cluster)

    def wrong(self, what: str, why: str) -> None:
        """`what` finds the cluster away, or unfit."""
        with self._lock:
            is_new = not self._wrong
            self._wrong[what] = why
        if is_new:
            log.warning("a cluster does not enforce", action="cluster_trouble", cluster=self._cluster, why=why)
