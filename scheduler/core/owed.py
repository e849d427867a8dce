"""What lost capacity took is given back once there is room: a promise that slipped gets earlier again."""

from scheduler.core.book import Draft
from scheduler.core.calendar import Box, earliest, latest
from scheduler.core.model import Instant, Lease, State
from scheduler.core.rules import pencilled


def give_back(draft: Draft, now: Instant) -> bool:
    """Moves what slipped back to the start that it is owed, or as near to it as there is room; whether anybody was moved.

    Those that are owed the earliest start come first. No start is nearer than its notice.
    """
    slipped = [lease for lease in draft.leases.values() if _is_owed(lease)]
    slipped.sort(key=lambda lease: (lease.owed or 0, lease.asked_at, lease.id))
    moved = [_is_moved_back(draft, lease, now) for lease in slipped]
    return any(moved)


def _is_owed(lease: Lease) -> bool:
    return lease.state is State.SCHEDULED and (lease.owed or 0) < (lease.promised_start or 0)


def _is_moved_back(draft: Draft, lease: Lease, now: Instant) -> bool:
    draft.lift(lease.id)
    start = _nearest(draft, lease, now)
    draft.put(lease if start is None else pencilled(draft, lease, start))
    return start is not None


def _nearest(draft: Draft, lease: Lease, now: Instant) -> Instant | None:
    """The last start by what it is owed, else the first after it that is earlier than its slot; the lease is lifted out."""
    box = Box.of(draft, lease.company, lease.shape, lease.duration_s)
    soonest, owed = max(now + lease.notice_s, lease.start or 0), lease.owed or 0
    in_time = latest(draft, box, soonest, owed)
    if in_time is not None:
        return in_time
    return earliest(draft, box, max(soonest, owed), (lease.starts_at or 0) - 1)
