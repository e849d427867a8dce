"""When something that was not taken is sent again, and when nobody is waited for any more. Pure: `chance` is in [0, 1).

The steps are those that Standard Webhooks recommends: three days in all.
"""

from dataclasses import dataclass

RETRY_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
"""Seconds from one attempt at a delivery to the next."""

PAUSE_S = (5, 10, 20, 40, 60)
"""Seconds that an address is left alone after it failed once, twice, and so on, whatever waits for it."""

DEAD_AFTER_S = 3 * 24 * 3600
"""An address that took nothing for so long is disabled."""

GONE = 410
"""The status by which an address says that it wants nothing any more."""

_JITTER = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why an address is waited for no more: a word for programs and a sentence for people."""

    cause: str
    reason: str


def verdict(*, status: int | None, failing_since: int, now: float) -> Verdict | None:
    """On an address that has just failed; None while it is worth trying."""
    if status == GONE:
        return Verdict(cause="gone", reason="the address says that it is gone for good")
    if now - failing_since >= DEAD_AFTER_S:
        return Verdict(cause="dead", reason=f"nothing was taken for {DEAD_AFTER_S // 86400} days")
    return None


def retry_s(attempts: int, chance: float) -> float | None:
    """How long to wait after that many attempts at one delivery; None to give it up."""
    return _spread(RETRY_S[attempts - 1], chance) if attempts <= len(RETRY_S) else None


def pause_s(failures: int, chance: float) -> float:
    """How long to leave an address alone that failed so many times in a row."""
    return _spread(PAUSE_S[min(failures, len(PAUSE_S)) - 1], chance)


def _spread(seconds: float, chance: float) -> float:
    """By up to a fifth more or less, so that what failed together does not come back together."""
    return seconds * (1 - _JITTER + 2 * _JITTER * chance)
