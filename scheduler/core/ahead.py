"""What is ahead of a lease that runs: a drain of its own nodes, which it cannot be extended past."""

from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.core.model import Drain, Instant, Lease, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """The drain, and the latest end that it leaves the lease: its own end, where it begins before that and its gap."""

    drain: Drain
    latest_end: Instant


def ahead(lease: Lease, drains: Iterable[Drain], gap_s: int) -> Ahead | None:
    """The first of these drains that is in the way of a longer box; None for what has not started: that takes other nodes."""
    ends_at = lease.ends_at
    if lease.state is not State.ACTIVE or ends_at is None:
        return None
    nodes = {node for node, _ in lease.placement}
    found = first(drain for drain in drains if drain.node in nodes and drain.ends_at > max(ends_at, drain.starts_at))
    return None if found is None else Ahead(drain=found, latest_end=Instant(max(ends_at, found.starts_at - gap_s)))


def first(drains: Iterable[Drain]) -> Drain | None:
    """The one that begins first."""
    return min(drains, key=lambda drain: (drain.starts_at, drain.node, drain.id), default=None)
