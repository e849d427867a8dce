"""How fast a fleet that comes back may tell what it kept: the more reports wait to be taken in, the less and the later.

Pure. `load` is from 0, nothing waits, to 1, nothing more is taken; `chance` is from 0 to 1, so that nodes do not come in step.
"""

REPLAY = 256
"""Kept events and earlier totals that a report may carry while nothing waits."""

CALM = 0.25
"""Under this load nobody is asked to wait."""

PAUSE_S, FOR_EACH_S = 0.25, 0.02
"""How long a report waits for others at most, and for each that the last batch had: under 50 a second none waits, of 125 a
second thirty share a transaction."""

SLOWEST_S = 60.0
FULL_S = (2, 20)
"""When whoever is turned away comes again, in seconds, at the soonest and the latest."""


def pause_s(together: int) -> float:
    """How long the next report waits for others, where so many were in the last batch."""
    return 0.0 if together <= 1 else min(PAUSE_S, together * FOR_EACH_S)


def replay(load: float) -> int:
    """How many kept events and earlier totals the next report may carry."""
    left = max(0.0, 1.0 - load)
    return int(REPLAY * left * left)


def report_in_s(load: float, interval_s: float, chance: float) -> float | None:
    """When the next regular report may come at the soonest; None is as the agent is set."""
    if load < CALM:
        return None
    spread = 1.0 + load * (0.5 + chance)
    return round(max(interval_s, min(SLOWEST_S, interval_s * spread)), 3)


def come_again_s(chance: float) -> int:
    """When whoever was turned away may come again."""
    soonest, latest = FULL_S
    return soonest + int(chance * (latest - soonest + 1))
