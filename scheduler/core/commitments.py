"""What a lease's box takes of its company's accounts: of each period the part that lies in it, and the rest without a budget,
as all of a spot lease's.

So what is committed of an account is always what the leases that hold something have in its period, wherever they move.
"""

from collections.abc import Iterable, Iterator, Sequence

from scheduler.core.charge import Charge, Stretch, box, charge, within
from scheduler.core.ledger import Period
from scheduler.core.model import Lease
from scheduler.core.quota import HOLDING

Periods = Sequence[Period]
"""Those that a company has accounts of, apart from each other."""


def changed(
    before: Lease | None, after: Lease | None, periods: Periods, periods_after: Periods | None = None
) -> Iterator[tuple[Period | None, int]]:
    """By how many GPU-seconds the commitment of each account changes; those that do not are left out, refunds are first.

    The periods may have changed as well, or nothing else.
    """
    had = {_begin(period): (period, amount) for period, amount in _committed(before, periods)}
    have = {
        _begin(period): (period, amount)
        for period, amount in _committed(after, periods if periods_after is None else periods_after)
    }
    nothing = (None, 0)
    deltas = [
        (have.get(key, had.get(key, nothing))[0], have.get(key, nothing)[1] - had.get(key, nothing)[1])
        for key in {**had, **have}
    ]
    yield from sorted((one for one in deltas if one[1]), key=lambda one: one[1] > 0)


def settled(lease: Lease, periods: Periods, lost: Sequence[Stretch] = ()) -> Iterator[tuple[Period | None, Charge]]:
    """What became of a stopped lease's box, in each account that it has a part in; `lost` as for `charge`."""
    rest = charge(lease, lost=lost)
    for period in _meeting(lease, periods):
        part = charge(lease, period.begins_at, period.ends_at, lost=lost)
        rest = Charge(
            delivered=rest.delivered - part.delivered,
            late=rest.late - part.late,
            lost=rest.lost - part.lost,
            returned=rest.returned - part.returned,
        )
        yield period, part
    yield None, rest


def _committed(lease: Lease | None, periods: Periods) -> Iterable[tuple[Period | None, int]]:
    if lease is None or lease.state not in HOLDING:
        return
    rest = box(lease)
    for period in _meeting(lease, periods):
        part = within(lease, period.begins_at, period.ends_at)
        rest -= part
        yield period, part
    yield None, rest


def _meeting(lease: Lease, periods: Periods) -> Iterator[Period]:
    """Those that its box has a part in: few, however many there are. Spot is outside of any budget."""
    if lease.is_spot:
        return
    since, until = lease.starts_at or 0, lease.ends_at or 0
    yield from (period for period in periods if period.begins_at < until and period.ends_at > since)


def _begin(period: Period | None) -> int | None:
    """What is an account's own: its end may have been brought forward."""
    return None if period is None else period.begins_at
