"""What a lease's box comes to, in GPU-seconds: what its company had, and what it is refunded.

What was lost while it ran counts for each of its GPUs alone, but for a gang as a whole: it cannot go on without a part.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from scheduler.core.lease import sized_since
from scheduler.core.model import Gang, Lease, Span, State

Stretch = tuple[int, int]
"""`[since, until)`, in Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What became of a box: had by the company; not had because the start was late, or because GPUs or nodes were lost while
    it ran; given back by an early stop.
    """

    delivered: int
    late: int
    lost: int
    returned: int

    @property
    def refunded(self) -> int:
        """All that is not charged."""
        return self.late + self.lost + self.returned


def box(lease: Lease) -> int:
    """The GPU-seconds of the whole box, whatever sizes it had; what is committed for it."""
    return sum(span.gpus * (span.ends_at - span.starts_at) for span in _spans(lease))


def charge(lease: Lease, begin: int = 0, end: int = 1 << 40, *, lost: Sequence[Stretch] = ()) -> Charge:
    """The parts of a stopped lease's box, or of what of it was on `[begin, end)`: none is negative and together they are
    the box, whatever its instants say. `lost` is when each GPU that it held was lost to it.

    One that ended without ever starting was late for all of it. One without a slot has an empty box.
    """
    if lease.starts_at is None or lease.ends_at is None:
        return Charge(delivered=0, late=0, lost=0, returned=0)
    if lease.state is State.ENDED and lease.started_at is None:
        return Charge(delivered=0, late=within(lease, begin, end), lost=0, returned=0)
    ends_at = max(lease.starts_at, lease.ends_at)
    started, stopped = _ran(lease)
    ran = max(begin, started), min(end, stopped)
    had = within(lease, *ran)
    gone = min(had, _lost(lease, lost, *ran))
    return Charge(
        delivered=had - gone,
        late=within(lease, max(begin, lease.starts_at), min(end, started)),
        lost=gone,
        returned=within(lease, max(begin, stopped), min(end, ends_at)),
    )


def within(lease: Lease, begin: int, end: int) -> int:
    """Its box's GPU-seconds on `[begin, end)`."""
    return sum(span.gpus * max(0, min(span.ends_at, end) - max(span.starts_at, begin)) for span in _spans(lease))


def _lost(lease: Lease, lost: Sequence[Stretch], begin: int, end: int) -> int:
    """GPU-seconds on `[begin, end)` that were lost."""
    if isinstance(lease.shape, Gang):
        return sum(within(lease, max(begin, since), min(end, until)) for since, until in _together(lost))
    return sum(max(0, min(end, until) - max(begin, since)) for since, until in lost)


def _together(stretches: Iterable[Stretch]) -> list[Stretch]:
    """What any of them covers, apart from each other and in order."""
    found = list[Stretch]()
    for since, until in sorted(stretches):
        if found and since <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], until)
        else:
            found.append((since, until))
    return found


def _ran(lease: Lease) -> tuple[int, int]:
    """From when to when it ran, inside its box whatever its instants say."""
    starts_at = lease.starts_at or 0
    ends_at = max(starts_at, lease.ends_at or 0)
    stopped = min(max(starts_at, ends_at if lease.stops_at is None else lease.stops_at), ends_at)
    return min(max(starts_at, stopped if lease.started_at is None else lease.started_at), stopped), stopped


def _spans(lease: Lease) -> Iterator[Span]:
    """Every size that it had and has, up to the end of its box."""
    if lease.starts_at is None or lease.ends_at is None:
        return
    since = sized_since(lease)
    yield from lease.history
    yield Span(gpus=lease.gpus, starts_at=since, ends_at=max(since, lease.ends_at))
