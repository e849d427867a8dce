"""What a cluster was told of leases that run: a policy that says otherwise waits until it holds for none of them.

A pod's deadline is written once extending has closed, and Kubernetes refuses a later one; once a grace has begun, pods end.
"""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from scheduler.core.extend import closes_at, is_extendable
from scheduler.core.model import Instant, Lease, LeaseId, State
from scheduler.core.quota import HOLDING

Window = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Leases of which something else was told than a policy would say, and from when on it would be so of none."""

    leases: tuple[LeaseId, ...]
    until: Instant


def reopened(
    leases: Iterable[Lease], old_s: int, new_s: int, now: Instant, never: AbstractSet[LeaseId] = frozenset()
) -> Told | None:
    """Leases whose extending has closed and would be open again, were it to close `new_s` instead of `old_s` before their end.
    Those that are `never` extended are left out.
    """

    def window(lease: Lease) -> Window | None:
        begins, over = closes_at(lease, old_s), closes_at(lease, new_s)
        if begins is None or over is None or not is_extendable(lease) or lease.id in never:
            return None
        return begins, over

    return _told(leases, window, now)


def ended(leases: Iterable[Lease], old_s: int, new_s: int, now: Instant) -> Told | None:
    """Leases that run, and would be ending at once with a grace of `new_s` instead of `old_s`."""

    def window(lease: Lease) -> Window | None:
        if lease.stops_at is None:
            return None
        half_s = lease.duration_s // 2
        return lease.stops_at - min(new_s, half_s), lease.stops_at - min(old_s, half_s)

    return _told(leases, window, now)


def _told(leases: Iterable[Lease], window: Callable[[Lease], Window | None], now: Instant) -> Told | None:
    """Whose window it is now, and from when on it is nobody's: those of leases that are still to start count for that."""
    windows = [(lease, found) for lease in leases if lease.state in HOLDING and (found := window(lease)) is not None]
    inside = [lease.id for lease, (begins, over) in windows if lease.state is State.ACTIVE and begins <= now < over]
    until = int(now)
    for begins, over in sorted((max(begins, lease.starts_at or 0), over) for lease, (begins, over) in windows):
        if begins <= until < over:
            until = over
    return Told(leases=tuple(sorted(inside)), until=Instant(until)) if inside else None
