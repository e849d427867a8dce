"""What a company holds of a pool over time, and what its quota leaves. The gap after a lease is not the company's."""

from collections.abc import Iterable

from scheduler.core.model import Lease, State
from scheduler.core.steps import Steps

HOLDING = frozenset({State.SCHEDULED, State.ACTIVE, State.ENDING})
"""The states in which a lease counts against its company's concurrent limit."""


def take(held: Steps, lease: Lease) -> Steps:
    """`held` with the lease's GPUs over `[starts_at, stops_at)`, if it holds any."""
    return _change(held, lease, 1)


def give_back(held: Steps, lease: Lease) -> Steps:
    """`held` without what `take` added for the same lease."""
    return _change(held, lease, -1)


def _change(held: Steps, lease: Lease, sign: int) -> Steps:
    if lease.state not in HOLDING or lease.starts_at is None or lease.stops_at is None:
        return held
    return held.add(lease.starts_at, lease.stops_at, sign * lease.shape.gpus)


def held(leases: Iterable[Lease]) -> Steps:
    """The GPUs that these leases hold together over time."""
    total = Steps.flat(0)
    for lease in leases:
        total = take(total, lease)
    return total


def remaining(limit_gpus: int, held: Steps) -> Steps:
    """What the limit leaves over time; below zero where it was lowered under what is held already."""
    return Steps(times=held.times, values=tuple(limit_gpus - value for value in held.values))
