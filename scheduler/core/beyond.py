"""Which promises that were given are beyond a quota as it is now, because it was lowered since.

Whatever runs counts first and stays. Of what is only promised the earliest asked for are kept.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from scheduler.core.budget import Standing, left
from scheduler.core.charge import box, within
from scheduler.core.model import Instant, Lease, State
from scheduler.core.quota import Quota, held

Limit = Literal["gpus", "longest_s", "furthest_s", "ahead_gpu_seconds", "open_asks", "budget"]
"""By the name that the quota has for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """A scheduled lease, and the first limit that it is beyond."""

    lease: Lease
    limit: Limit


def beyond(quota: Quota, leases: Iterable[Lease], now: Instant) -> Iterator[Beyond]:
    """Of a company's leases in a pool, in the order in which they were asked for."""
    found = [lease for lease in leases if lease.starts_at is not None]
    kept = [lease for lease in found if lease.state is not State.SCHEDULED]
    gpus, standing = held(kept), Standing.of(quota, kept)
    waiting = (lease for lease in found if lease.state is State.SCHEDULED)
    for lease in sorted(waiting, key=lambda lease: (lease.asked_at, lease.id)):
        start, end = lease.starts_at or 0, lease.ends_at or 0
        if gpus.most(start, end) + lease.gpus > quota.gpus:
            yield Beyond(lease=lease, limit="gpus")
        elif (limit := _over_time(quota, standing, lease, now)) is not None:
            yield Beyond(lease=lease, limit=limit)
        else:
            gpus, standing = gpus.add(start, end, lease.gpus), standing.changed(quota, lease, 1)


def _over_time(quota: Quota, standing: Standing, lease: Lease, now: Instant) -> Limit | None:
    """What it is beyond of what is not about GPUs at once, beside those that are kept."""
    ahead = standing.ahead_gpu_seconds + box(lease)
    if quota.longest_s is not None and lease.duration_s > quota.longest_s:
        return "longest_s"
    if quota.furthest_s is not None and (lease.starts_at or 0) > now + quota.furthest_s:
        return "furthest_s"
    if quota.ahead_gpu_seconds is not None and ahead > quota.ahead_gpu_seconds:
        return "ahead_gpu_seconds"
    if quota.open_asks is not None and standing.waiting >= quota.open_asks:
        return "open_asks"
    over = any(within(lease, begin, end) > max(0, more) for begin, end, more in left(quota, standing))
    return "budget" if over else None
