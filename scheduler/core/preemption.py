"""Spot leases give way to what is reserved, once their notice is over.

A reserved ask is decided on a draft that `opened` has lent it: in it every spot lease stops as soon as it can. `settle`
books them again, each for as long as the others leave it, so that one is cut only where its GPUs are really taken, and
goes on until they are. Who is spared first is the opposite of whom it harms least: most over its share, then as few leases
and as little work as possible.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scheduler.core.calendar import Plane, free_over
from scheduler.core.compiled import rows
from scheduler.core.draft import Draft
from scheduler.core.fairness import Ranks
from scheduler.core.model import CompanyId, Gang, Instant, Lease, Shape, State
from scheduler.core.profiles import Profiles
from scheduler.core.quota import HOLDING

GROWS_S = 600
"""A spot lease that was cut is given time again only by so much at once, or all of it."""

YIELDS = frozenset({State.SCHEDULED, State.ACTIVE})
"""The states in which one may still be cut."""


def opened(draft: Draft, now: Instant) -> Draft:
    """The same draft, in which every spot lease stops once its notice is over; until it is settled."""
    spots = [draft.leases[id_] for id_ in sorted(draft.spots)]
    found = [lease for lease in spots if yields(lease, now)]
    if found:
        lend(draft, found, now)
    return draft


def lend(draft: Draft, spots: Sequence[Lease], now: Instant) -> None:
    """Lends these alone, until the draft is settled."""
    draft.yielding = Yielding(draft, spots, now)
    draft.yielding.lend(draft.yielding.everybody)


def until(lease: Lease, now: Instant) -> int:
    """When a spot lease stops at the earliest, if it is told now."""
    return max(now, lease.starts_at or 0) + lease.notice_s


def yields(lease: Lease, now: Instant) -> bool:
    """Whether a spot lease can still be told to stop earlier than it will."""
    return lease.state in YIELDS and until(lease, now) < (lease.stops_at or 0)


def settle(draft: Draft) -> None:
    """Ends what `opened` began: each spot lease is there again, cut where what is reserved needs its GPUs."""
    yielding, draft.yielding = draft.yielding, None
    if yielding is not None:
        yielding.settle()


def cut(lease: Lease) -> bool:
    """Whether it stops, or stopped, before the end of its box because others needed its GPUs."""
    return lease.is_spot and (lease.stops_at or 0) < (lease.ends_at or 0)


def grow(draft: Draft, now: Instant) -> None:
    """Gives what was cut, in the order in which they are spared, the time that nobody needs any more."""
    short = [lease for id_ in sorted(draft.spots) if cut(lease := draft.leases[id_]) and lease.state in YIELDS]
    if not short:
        return
    yielding = Yielding(draft, short, now)
    for k in yielding.by_size:
        lease = short[int(k)]
        was, ends_at = lease.stops_at or 0, lease.ends_at or 0
        stop = _lasting(draft, lease, was + draft.policy.gap_s, ends_at)
        if stop == ends_at or stop >= was + GROWS_S:
            draft.put(replace(lease, stops_at=Instant(stop)))


@contextmanager
def sparing(plane: Plane, shape: Shape, start: int, end: int) -> Generator[None]:
    """Meanwhile a draft has as many of its spot leases again as leave the shape room over `[start, end)`."""
    yielding = plane.yielding if isinstance(plane, Draft) else None
    if yielding is None:
        yield
        return
    spared = yielding.spared(shape, start, end)
    try:
        yield
    finally:
        yielding.lend(spared)


class Borrowers:
    """How far each company will be over its share by the end of the policy's `entry_s`, if what it holds goes on.

    Of a draft that changes meanwhile: what was touched is counted again, and nothing else.
    """

    def __init__(self, draft: Draft, now: Instant) -> None:
        self._draft, self._now = draft, now
        self._counted, self._gpus = dict(draft.leases), Counter[CompanyId]()
        for lease in self._counted.values():
            self._count(lease, 1)

    def ranks(self) -> Ranks:
        """As the draft is."""
        for lease_id in self._draft.touched:
            before, after = self._counted.pop(lease_id, None), self._draft.leases.get(lease_id)
            if before is not after:
                self._count(before, -1)
                self._count(after, 1)
            if after is not None:
                self._counted[lease_id] = after
        ranks, entry_s = Ranks.of(self._draft.fair, (), self._draft.policy, self._now), self._draft.policy.entry_s
        for company, gpus in self._gpus.items():
            ranks.grant(company, gpus, entry_s)
        return ranks

    def _count(self, lease: Lease | None, sign: int) -> None:
        if lease is not None and _goes_on(lease, self._now):
            self._gpus[lease.company] += sign * lease.gpus


def _goes_on(lease: Lease, now: Instant) -> bool:
    """Whether it is held, or is just now to start; not what has been told to stop."""
    if lease.is_spot:
        return yields(lease, now)
    return lease.state in HOLDING and (lease.starts_at or 0) <= now


_Some = NDArray[np.int64]
"""Some of the leases, by their places among them."""


@dataclass(eq=False)
class Yielding:
    """Spot leases of a draft that are lent to what is reserved, or are to be."""

    draft: Draft
    leases: Sequence[Lease]
    now: Instant

    @property
    def gone_at(self) -> Instant:
        """From when on none of them is in the way."""
        return Instant(int(self._begins.max()))

    @contextmanager
    def from_more_over(self, company: CompanyId) -> Generator[None]:
        """Meanwhile only those are lent whose company is more over its share than this one."""
        levels, places = self._over
        kept = self._booked(np.flatnonzero(places < bisect_right(levels, self._ranks.rank(company))))
        try:
            yield
        finally:
            self.lend(kept)

    @cached_property
    def everybody(self) -> _Some:
        return np.arange(len(self.leases))

    @cached_property
    def by_size(self) -> _Some:
        """Who is spared first: least over its share, then the smallest, so that few leases are cut."""
        return np.lexsort((self._by_id, -self._work, self._gpus, self._over[1]))

    @cached_property
    def by_work(self) -> _Some:
        """The same, but then who has worked most, so that little work is lost."""
        return np.lexsort((self._by_id, self._gpus, -self._work, self._over[1]))

    def lend(self, some: _Some) -> None:
        spans, first = self._spans
        rows.lend(*self._free.arrays, spans, first, some, 1)

    def spared(self, shape: Shape, start: int, end: int) -> _Some:
        """Books again as many of them as leave the shape room: all, else those whom to cut does the least harm."""
        near = (self._begins < end) & (self._ends > start)
        everybody = self._booked(np.flatnonzero(near))
        if _has_room(self.draft, shape, start, end):
            return everybody
        self.lend(everybody)
        return self._least_harm(lambda order: self._booked_beside(shape, start, end, order[near[order]]))

    def settle(self) -> None:
        whole = self._booked(self.everybody)
        if whole.size == len(self.leases):
            return
        self.lend(whole)
        whole = self._least_harm(self._booked)
        for k in self.by_size[~np.isin(self.by_size, whole)]:
            lease = self.leases[int(k)]
            stop = _lasting(self.draft, lease, int(self._begins[k]), lease.stops_at or 0)
            self._book(np.array([k]))
            self.draft.put(replace(lease, stops_at=Instant(stop)))

    def _least_harm(self, book: Callable[[_Some], _Some]) -> _Some:
        """Books them in the one order of the two by which fewer are left out, or those that have worked less."""
        by_size = book(self.by_size)
        self.lend(by_size)
        by_work = book(self.by_work)
        if self._harm(by_work) <= self._harm(by_size):
            return by_work
        self.lend(by_work)
        self._book(by_size)
        return by_size

    def _harm(self, kept: _Some) -> tuple[int, int]:
        """How many are left out, and what they have worked."""
        return len(self.leases) - kept.size, int(self._work.sum() - self._work[kept].sum())

    def _booked_beside(self, shape: Shape, start: int, end: int, order: _Some) -> _Some:
        """The same, of each only if the shape has room then too."""
        (spans, first), booked, plane = self._spans, np.zeros(order.size, np.bool_), self.draft
        box = (shape.gpus_per_node, shape.nodes) if isinstance(shape, Gang) else (0, shape.gpus)
        rows.book_beside(*self._free.arrays, plane.open, spans, first, order, booked, *box, start, end)
        return order[booked]

    def _booked(self, order: _Some) -> _Some:
        """Books one after the other for all of its time, where that is free; those that were."""
        (spans, first), booked = self._spans, np.zeros(order.size, np.bool_)
        rows.book(*self._free.arrays, spans, first, order, booked)
        return order[booked]

    def _book(self, some: _Some) -> None:
        spans, first = self._spans
        rows.lend(*self._free.arrays, spans, first, some, -1)

    @property
    def _free(self) -> Profiles:
        return self.draft.lendable(self._steps)

    @cached_property
    def _steps(self) -> NDArray[np.int64]:
        """How many steps more what they lend may need of each row."""
        spans, _ = self._spans
        return 2 * np.bincount(spans[:, 0], minlength=len(self.draft.rows))

    @cached_property
    def _spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What they lend: a row of the calendar, from and until when, and how many GPUs; and where those of each begin."""
        known, found, first = self.draft.rows, list[tuple[int, int, int, int]](), [0]
        for k, one in enumerate(self.leases):
            begin, end = int(self._begins[k]), int(self._ends[k])
            found += [(known[node], begin, end, gpus) for node, gpus in one.placement if node in known]
            first.append(len(found))
        return np.array(found, np.int64).reshape(-1, 4), np.array(first, np.int64)

    @cached_property
    def _begins(self) -> NDArray[np.int64]:
        """From when on the GPUs of each are lent."""
        return np.array([until(one, self.now) + self.draft.policy.gap_s for one in self.leases], np.int64)

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.array([(one.stops_at or 0) + self.draft.policy.gap_s for one in self.leases], np.int64)

    @cached_property
    def _ranks(self) -> Ranks:
        return Borrowers(self.draft, self.now).ranks()

    @cached_property
    def _over(self) -> tuple[list[int], _Some]:
        """The ranks of their companies, from the lowest on, and which of these each has: a rank may be more than an array holds."""
        ranks = {company: self._ranks.rank(company) for company in {one.company for one in self.leases}}
        levels = sorted(set(ranks.values()))
        places = {company: bisect_left(levels, rank) for company, rank in ranks.items()}
        return levels, np.array([places[one.company] for one in self.leases], np.int64)

    @cached_property
    def _gpus(self) -> _Some:
        return np.array([one.gpus for one in self.leases], np.int64)

    @cached_property
    def _work(self) -> _Some:
        """GPU-seconds that may be lost with each: nobody knows of its checkpoints."""
        ran_s = [self.now - (self.now if one.started_at is None else one.started_at) for one in self.leases]
        return self._gpus * np.maximum(0, np.array(ran_s, np.int64))

    @cached_property
    def _by_id(self) -> _Some:
        """The place of each in the order of their ids."""
        return np.argsort(np.argsort([one.id for one in self.leases]))


def _has_room(draft: Draft, shape: Shape, start: int, end: int) -> bool:
    free = free_over(draft, start, end)
    if isinstance(shape, Gang):
        return int((free >= shape.gpus_per_node).sum()) >= shape.nodes
    return int(free.sum()) >= shape.gpus


def _lasting(draft: Draft, lease: Lease, begin: int, stop: int) -> int:
    """Until when it can go on, at most `stop`, if it is booked up to `begin`, its gap among it."""
    gap_s = draft.policy.gap_s
    on = [(draft.rows[node], gpus) for node, gpus in lease.placement if node in draft.rows]
    return min((draft.free.steps(row).lasting(begin, gpus, stop + gap_s) - gap_s for row, gpus in on), default=stop)
