"""How a cluster is: when it last answered, what keeps it from enforcing leases, and what else somebody should see to."""

import threading
from collections.abc import Callable, Iterable

import structlog

log = structlog.get_logger()

SHOWN = 5
"""Alarms that are said one by one."""


class Condition:
    """What is wrong is kept by what found it, until that finds it well. Safe from any thread."""

    def __init__(self, cluster: str, now: Callable[[], float]) -> None:
        self._cluster, self._now = cluster, now
        self._lock = threading.Lock()
        self._wrong: dict[str, str] = {}
        self._alarms: dict[str, tuple[str, ...]] = {}
        self.heard_at: float | None = None
        self.version: str | None = None

    @property
    def trouble(self) -> str | None:
        """What keeps it from enforcing leases, in a sentence; of several things one."""
        with self._lock:
            return next(iter(self._wrong.values()), None)

    @property
    def alarms(self) -> tuple[str, ...]:
        """What somebody should see to though leases are enforced, each in a sentence."""
        with self._lock:
            return tuple(one for found in self._alarms.values() for one in found)

    @property
    def said(self) -> str | None:
        """All of it for people: what keeps it from enforcing, else the alarms."""
        alarms = self.alarms
        rest = (f"and {len(alarms) - SHOWN} more",) if len(alarms) > SHOWN else ()
        return self.trouble or "; ".join((*alarms[:SHOWN], *rest)) or None

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

    def alarm(self, what: str, found: Iterable[str]) -> None:
        """All that `what` finds now; nothing ends what it found before."""
        now = tuple(found)
        with self._lock:
            before, self._alarms[what] = self._alarms.get(what, ()), now
        for one in sorted(set(now) - set(before)):
            log.error("somebody should see to a cluster", action="cluster_alarm", cluster=self._cluster, why=one)
        if before and not now:
            log.info("what was to be seen to is", action="cluster_alarm_over", cluster=self._cluster, what=what)
