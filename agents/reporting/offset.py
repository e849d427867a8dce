"""How far the allocator's clock is ahead of the agent's own, from the exchange that says it best, as NTP does it.

An exchange says it to within half of the time it took. The shortest of the newest is believed, unless a later one shows
that a clock was set meanwhile.
"""

from collections import deque
from dataclasses import dataclass

KEPT = 8
SLACK_S = 0.05
"""By so much two clocks may drift apart within the exchanges that are kept."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """`ahead_s` is the allocator's Unix time less the agent's monotonic time."""

    ahead_s: float
    round_trip_s: float


class Offset:
    def __init__(self) -> None:
        self._kept: deque[Exchange] = deque(maxlen=KEPT)

    @property
    def ahead_s(self) -> float | None:
        """The best that is known; None before any exchange."""
        return self._best.ahead_s if self._kept else None

    def learn(self, exchange: Exchange) -> float:
        """Takes one exchange, and returns the best that is known then."""
        if self._kept:
            best = self._best
            apart = abs(best.ahead_s - exchange.ahead_s)
            if apart > (best.round_trip_s + exchange.round_trip_s) / 2 + SLACK_S:
                self._kept.clear()
        self._kept.append(exchange)
        return self._best.ahead_s

    @property
    def _best(self) -> Exchange:
        return min(self._kept, key=lambda one: one.round_trip_s)
