"""How long to wait after a report that did not arrive. Chance spreads agents that lost the allocator together."""

import random
from datetime import datetime
from email.utils import parsedate_to_datetime

FIRST_S = 1.0
LONGEST_S = 60.0
LONGEST_RETRY_AFTER_S = 600.0
"""A server that asks for more is not believed: the agent must come back by itself."""


class Backoff:
    """Doubles from a second up to the interval, and a minute at most.

    No longer than the interval, as three of them without a report are a silent node to an allocator that is back.
    """

    def __init__(self, interval_s: float, *, chance: random.Random) -> None:
        self._interval_s = interval_s
        self._chance = chance
        self._failures = 0

    def succeeded(self, not_sooner_s: float | None = None) -> float:
        """The seconds to the next report: the interval, give or take a tenth, or more where the server asked for more."""
        self._failures = 0
        asked_s = min(not_sooner_s or 0.0, LONGEST_RETRY_AFTER_S) * self._chance.uniform(1.0, 1.1)
        return max(self._interval_s * self._chance.uniform(0.9, 1.1), asked_s)

    def failed(self, retry_after_s: float | None = None) -> float:
        """The seconds to wait after a failure that passes by itself; never less than the server asked for."""
        longest = min(LONGEST_S, self._interval_s, FIRST_S * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return max(longest * self._chance.uniform(0.5, 1.0), min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S))

    def refused(self) -> float:
        """The seconds to wait where only a person can help: slow, but it goes on without a restart once they have."""
        return max(self._interval_s, min(LONGEST_S, 6 * self._interval_s)) * self._chance.uniform(0.9, 1.1)


def retry_after_s(header: str | None, *, now: float) -> float | None:
    """The seconds a Retry-After asks for, in either of its forms; None where it says nothing we understand."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header.strip())
    try:
        at: datetime = parsedate_to_datetime(header)
        return max(0.0, at.timestamp() - now)
    except (ValueError, OverflowError):
        return None
