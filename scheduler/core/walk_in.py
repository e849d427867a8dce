"""The walk-in reserve: a part of a pool, by its policy, that nobody can book further ahead than an hour or what it says.

A lease is *booked ahead* if, when its start was decided, the latest start that it was promised was further away than that.
So it stays whatever becomes of its slot. Of the pool's size on a good day, leases booked ahead together get at most what the
reserve leaves, the line, at every instant that is further away; what starts sooner may take everything. Nothing that was
promised is held to it: lost capacity may move a lease past it, and a reserve that is raised takes nothing from anybody.
"""

from collections.abc import Iterable

from scheduler.core.model import PPM, Code, Instant, Lease, Policy, Verdict
from scheduler.core.steps import Steps

AHEAD = 1
"""The row of the limits that leases booked ahead share."""


def line(policy: Policy, nominal: int) -> int:
    """GPUs that leases booked ahead may have together, of a pool that has so many on a good day: the reserve is rounded up."""
    return nominal * (PPM - policy.walk_in_ppm) // PPM


def soon(policy: Policy, now: int) -> int | None:
    """The last start that is not booked ahead, if it is decided at `now`; None where the policy has no reserve."""
    return now + policy.walk_in_within_s if policy.walk_in_ppm else None


def soon_of(policy: Policy, lease: Lease, now: int) -> int | None:
    """The same for what is decided of a lease at `now`; None for one that is not booked ahead, which may always have more."""
    return soon(policy, now) if is_ahead(policy, lease) else None


def is_ahead(policy: Policy, lease: Lease) -> bool:
    """Whether it counts as booked ahead, by the policy as it is now and what it was promised first; spot never is."""
    if not policy.walk_in_ppm or lease.owed is None or lease.is_spot:
        return False
    decided_at = lease.asked_at if lease.granted_at is None else lease.granted_at
    return lease.owed > decided_at + policy.walk_in_within_s


def granted_at(policy: Policy, now: Instant) -> Instant | None:
    """What a lease out of the queue is to keep of when its start was decided: it may be long after it was asked for."""
    return now if policy.walk_in_ppm else None


def nearest(waiting: Iterable[Verdict]) -> int | None:
    """From when on the first of those that wait for the reserve would be near enough; None where nobody does."""
    found = (one.numbers["walk_in_from"] for one in waiting if one.code is Code.WAITS_FOR_WALK_IN)
    return min(map(int, found), default=None)


def tightest(left: Steps, start: int, end: int) -> tuple[Instant, int]:
    """The first instant of `[start, end)` at which the line leaves least, and what it leaves."""
    least = left.least(start, end)
    at = next(at for at in (start, *left.times) if start <= at < end and left.at(at) == least)
    return Instant(at), least
