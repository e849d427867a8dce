"""What a company holds of a pool over time. The gap after a lease is not the company's."""

from collections.abc import Iterable

from scheduler.core.model import Lease, State
from scheduler.core.steps import Steps

HOLDING = frozenset({State.SCHEDULED, State.ACTIVE, State.ENDING})
"""The states in which a lease counts against its company's concurrent limit."""


def held(leases: Iterable[Lease]) -> Steps:
    """The GPUs that these leases hold together over time."""
    total = Steps.flat(0)
    for lease in leases:
        if lease.state in HOLDING and lease.starts_at is not None and lease.stops_at is not None:
            total = total.add(lease.starts_at, lease.stops_at, lease.gpus)
    return total
