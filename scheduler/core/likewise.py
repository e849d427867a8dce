"""What a lease would be given in a world that is not the history, where it was really given something undecided there.

More time, more GPUs, other nodes or a later slot are only had where that world has room for them: nobody's time moves for it.
"""

from scheduler.core.book import Book
from scheduler.core.draft import Draft
from scheduler.core.extend import Extended, extend
from scheduler.core.model import Instant, Lease
from scheduler.core.resize import NotResized, grow
from scheduler.core.shapes import size_of
from scheduler.core.starting import slip


def likewise(book: Book, lease: Lease, became: Lease, now: Instant) -> tuple[Lease, ...]:
    """What becomes of a lease that really became `became`, and then of others who make way for it; nothing where it is refused.

    An extension goes as far as it can here up to where it really went, and a slip to the first slot that there is.
    """
    if became.id != lease.id or became.state is not lease.state or lease.starts_at is None:
        return (became,)  # it started, stopped, or what it had was cleaned: nothing more is taken
    soon = Instant(now + 1)  # what was decided within the second that the log has holds from the next one on
    if became.starts_at == lease.starts_at and (became.ends_at or 0) > (lease.ends_at or 0):
        return _extended(book, lease, became, soon)
    soon = min(soon, Instant((became.stops_at or 0) - 1))
    if _has_room(book, lease, became, soon):
        return (became,) if _is_granted(book, lease, became, soon) else ()
    if became.starts_at != lease.starts_at:
        slipped, cut = slip(book, lease, Instant(now + 1))
        return (slipped, *(after for _, after in cut))
    return ()


def _extended(book: Book, lease: Lease, became: Lease, now: Instant) -> tuple[Lease, ...]:
    assert became.ends_at is not None
    found = extend(book, lease.id, became.ends_at, now, partly=True)
    return (found.lease, *(after for _, after in found.moves)) if isinstance(found, Extended) else ()


def _has_room(book: Book, lease: Lease, became: Lease, now: Instant) -> bool:
    """Whether the nodes have free what the lease would take beside what it has."""
    draft, had = Draft(book), dict(lease.placement)
    draft.lift(lease.id)
    start, over = max(now, became.starts_at or 0), (lease.stops_at or 0) + draft.policy.gap_s
    until = (became.stops_at or 0) + draft.policy.gap_s
    for node, gpus in became.placement:
        since = start if gpus > had.get(node, 0) else max(start, over)
        if node in draft.rows and since < until and draft.free.least(draft.rows[node], since, until) < gpus:
            return False
    return True


def _is_granted(book: Book, lease: Lease, became: Lease, now: Instant) -> bool:
    """Whether its company may have so much more, where it got a larger size."""
    size = size_of(became.shape)
    return size <= size_of(lease.shape) or not isinstance(grow(book, lease.id, size, now), NotResized)
