"""How long a GPU must be clean before it is ok again: the longer, the more often it got worse of late. Pure."""

from agents.health.verdicts import Hold

MAX_FALLS = 16
"""No more of them are remembered: far fewer make the hold the longest already."""


def hold_s(falls: tuple[float, ...], hold: Hold, now: float) -> int:
    """`falls` are the monotonic seconds at which it got worse."""
    recent = len(remembered(falls, hold, now))
    return min(hold.longest_s, hold.first_s << max(0, recent - 1))


def remembered(falls: tuple[float, ...], hold: Hold, now: float) -> tuple[float, ...]:
    """Those that are not too long ago."""
    return tuple(at for at in falls[-MAX_FALLS:] if now - at < hold.window_s)
