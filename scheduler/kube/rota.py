"""Which companies of a cluster to look at now: what is due and what the rows say when it comes, all else a few times a second."""

import time
from collections.abc import Callable, Set

SPACED_S = 0.2
"""So long after a company was looked at it is looked at again for what changed in the cluster: a busy one changes all the time."""


class Rota:
    """Of one thread. `clock` goes on steadily, whatever the time is set to."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_at: dict[str, float] = {}
        self._told: set[str] = set()
        self._pending: set[str] = set()

    def tell(self, name: str) -> None:
        """The rows say something else of it."""
        self._told.add(name)

    def take(self, known: Set[str], *, due: Set[str], changed: Set[str]) -> list[str]:
        """Those to look at, which then are looked at: first what something is `due` for by time. Only `known` ones are."""
        now = self._clock()
        self._pending = (self._pending | changed) & known
        rested = {name for name in self._pending if self._rests_until(name) <= now}
        found = (due | self._told | rested) & known
        self._pending -= found
        self._told.clear()
        self._looked_at = {name: at for name, at in self._looked_at.items() if name in known} | dict.fromkeys(
            found, now
        )
        return sorted(found, key=lambda name: name not in due)

    def wait_s(self) -> float | None:
        """Seconds until one is to be looked at for what is known to have changed; None where nothing is."""
        first = min(map(self._rests_until, self._pending), default=None)
        return None if first is None else max(0.0, first - self._clock())

    def _rests_until(self, name: str) -> float:
        return self._looked_at.get(name, float("-inf")) + SPACED_S
