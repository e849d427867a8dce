"""What a company's leases come to, beside the GPUs that they hold at once: budgets of periods, and what is booked ahead.

A budget is no row of the calendar: what a box takes of a period depends on where it starts. So it is turned into the
starts at which a box of that size takes no more of any period than is left of it, and only these are looked at.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from scheduler.core.charge import box, within
from scheduler.core.model import Lease, State
from scheduler.core.quota import FOR_EVER, HOLDING, Period, Quota

Windows = tuple[tuple[int, int], ...]
"""Starts from the first instant to the last of each, both among them, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The leases of a company that hold something: GPU-seconds in each period of its quota; those not started, and how many."""

    booked: tuple[int, ...] = ()
    ahead_gpu_seconds: int = 0
    waiting: int = 0

    @classmethod
    def of(cls, quota: Quota, leases: Iterable[Lease]) -> "Standing":
        found = cls(booked=(0,) * len(quota.periods))
        for lease in leases:
            if lease.company == quota.company and lease.state in HOLDING and not lease.is_spot:
                found = found.changed(quota, lease, 1)
        return found

    def changed(self, quota: Quota, lease: Lease, sign: int) -> "Standing":
        """With the lease, or without it where `sign` is -1."""
        waits, booked = lease.state is State.SCHEDULED, list(self.booked)
        for place in _met(quota.periods, lease):
            period = quota.periods[place]
            booked[place] += sign * within(lease, period.begins_at, period.ends_at)
        return Standing(
            booked=tuple(booked),
            ahead_gpu_seconds=self.ahead_gpu_seconds + (sign * box(lease) if waits else 0),
            waiting=self.waiting + (sign if waits else 0),
        )


def _met(periods: Sequence[Period], lease: Lease) -> range:
    """The places of the periods that its box has a part in: a few of many."""
    first = bisect_right(periods, lease.starts_at or 0, key=attrgetter("ends_at"))
    return range(first, bisect_left(periods, lease.ends_at or 0, first, key=attrgetter("begins_at")))


def left(quota: Quota, standing: Standing) -> Iterator[tuple[int, int, int]]:
    """Each period with the GPU-seconds that are neither spent nor booked: from, to, how many; below zero if lowered since.

    Before, between and after them there is nothing.
    """
    booked = zip(quota.periods, standing.booked, strict=True)
    return bounded([(one.begins_at, one.ends_at, one.gpu_seconds - one.spent - had) for one, had in booked])


def bounded(periods: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Periods, each with its GPU-seconds, and with none wherever there is no period."""
    since = None
    for begins_at, ends_at, gpu_seconds in periods:
        since = since or 0
        if since < begins_at:
            yield since, begins_at, 0
        yield begins_at, ends_at, gpu_seconds
        since = ends_at
    if since is not None:
        yield since, FOR_EVER, 0


def starts(periods: Iterable[tuple[int, int, int]], gpus: int, duration_s: int) -> Windows:
    """The starts at which so many GPUs for so long take no more of any period than is left of it."""
    free: list[tuple[int, int]] = []
    begin = 0
    for first, last in sorted(_too_much(periods, gpus, duration_s)):
        if begin < first:
            free.append((begin, first - 1))
        begin = max(begin, last + 1)
    return (*free, (begin, FOR_EVER)) if begin < FOR_EVER else tuple(free)


def _too_much(periods: Iterable[tuple[int, int, int]], gpus: int, duration_s: int) -> Iterator[tuple[int, int]]:
    """The starts, from the first to the last, at which it takes more of a period than is left."""
    whole = gpus * duration_s
    for begins_at, ends_at, left_ in periods:
        if left_ >= whole:
            continue
        seconds = max(0, left_) // gpus
        if seconds < min(duration_s, ends_at - begins_at):
            first, last = max(0, begins_at + seconds - duration_s + 1), ends_at - seconds - 1
            if first <= last:
                yield first, last


def short(periods: Iterable[tuple[int, int, int]], gpus: int, start: int, end: int) -> tuple[int, int, int] | None:
    """The first period of which so many GPUs in `[start, end)` take more than is left."""
    for one in periods:
        begins_at, ends_at, left_ = one
        if gpus * max(0, min(end, ends_at) - max(start, begins_at)) > max(0, left_):
            return one
    return None


def lasts(periods: Iterable[tuple[int, int, int]], lease: Lease) -> int:
    """Up to when the lease may last, which is not among what is booked: never before its end."""
    ends_at = lease.ends_at or 0
    for begins_at, until, left_ in periods:
        if until <= ends_at:
            continue
        more = max(0, left_ - within(lease, begins_at, until)) // lease.gpus
        since = max(ends_at, begins_at)
        if since + more < until:
            return since + more
    return FOR_EVER


def grows(periods: Iterable[tuple[int, int, int]], lease: Lease, since: int) -> int:
    """By how many GPUs it may grow from then until its end; the lease is among what is booked."""
    more = FOR_EVER
    for begins_at, until, left_ in periods:
        seconds = min(until, lease.ends_at or 0) - max(begins_at, since)
        if seconds > 0:
            more = min(more, max(0, left_) // seconds)
    return more
