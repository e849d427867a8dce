"""When a queue is to be decided again though nothing changes: time alone leaves more to those that wait."""

from collections.abc import Iterator

from scheduler.core import walk_in
from scheduler.core.draft import holds
from scheduler.core.replan import Plan


def nearest(plan: Plan, now: float) -> int | None:
    """The first instant after `now` at which GPUs have been cleaned after a lease, a drain is over, or a start that waits for
    the walk-in reserve is near enough; None where there is none.
    """
    return min((at for at in _instants(plan) if at > now), default=None)


def _instants(plan: Plan) -> Iterator[int]:
    book = plan.book
    for lease in book.leases.values():
        if not holds(lease):
            yield (lease.stops_at or 0) + book.policy.gap_s
    for drain in book.drains.values():
        yield drain.ends_at
    near = walk_in.nearest(plan.left.values())
    if near is not None:
        yield near
