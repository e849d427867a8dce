"""What is due at an instant of a lease that stays is decided a moment ahead of it: which that is, and when to look."""

from collections.abc import Iterator

from scheduler.kube.desired import LeaseNow
from scheduler.kube.opening import extending_closed

AHEAD_S = 2.0
"""So long ahead of its instant the end of a pod, or of a key, is decided, once its lease is not extended any more: that it is asked
for at the instant depends on nobody who looks at something else then.
"""

SEEN_S = 0.5
"""So long after it it is looked whether it was asked for."""


def looks(at: int, lease: LeaseNow) -> Iterator[float]:
    """When to look for what is due at an instant of a lease: at it, or ahead of it and once more where it is decided ahead."""
    if lease.closes_at is None or lease.closes_at >= at:
        yield at
    else:
        yield max(at - AHEAD_S, lease.closes_at)
        yield at + SEEN_S


def is_near(at: int, lease: LeaseNow, now: float) -> bool:
    """Whether what is due at an instant of a lease is decided now, ahead of it."""
    return extending_closed(lease, now) and now < at <= now + AHEAD_S
