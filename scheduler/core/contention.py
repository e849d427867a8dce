"""The named rules of what contended means: how much of a pool may be booked at an instant before shares count there.

Seam of `scheduler.core.fairness`: a rule is one more entry here. None is never: then nothing of fairness is looked at.
"""

from collections.abc import Callable, Mapping

from scheduler.core.model import PPM, Policy

Contention = Callable[[Policy, int], int]
"""GPUs that may be booked at an instant before it is contended, of so many that there are."""

NONE = "none"
BOOKED = "booked"
ALWAYS = "always"


def _part_of_the_pool(policy: Policy, capacity: int) -> int:
    """So that who asks first has no more of a busy pool than its share, and of a quiet one what it likes."""
    return capacity * policy.contended_ppm // PPM


def _nothing(_policy: Policy, _capacity: int) -> int:
    """Every instant is contended: nothing beyond a share is promised but in turn."""
    return -1


CONTENDED: Mapping[str, Contention | None] = {NONE: None, BOOKED: _part_of_the_pool, ALWAYS: _nothing}


def calm(policy: Policy, capacity: int) -> int | None:
    """By the policy's rule; None where no instant is ever contended."""
    rule = CONTENDED[policy.contended]
    return None if rule is None else rule(policy, capacity)
