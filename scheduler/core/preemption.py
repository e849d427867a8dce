"""Spot leases give way to what is reserved, once their notice is over.

A reserved ask is decided on a draft that `opened` has lent it: in it every spot lease stops as soon as it can. `settle`
books them again, each for as long as the others leave it, so that one is cut only where its GPUs are really taken, and
goes on until they are. Who is spared first is the opposite of whom it harms least: most over its share, then as few leases
and as little work as possible.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from scheduler.core.calendar import Plane, free_over
from scheduler.core.compiled import rows
from scheduler.core.draft import Draft
from scheduler.core.fairness import Ranks
from scheduler.core.model import CompanyId, Gang, Instant, Lease, Shape, State

GROWS_S = 600
"""A spot lease that was cut is given time again only by so much at once, or all of it."""

YIELDS = frozenset({State.SCHEDULED, State.ACTIVE})
"""The states in which one may still be cut."""


def opened(draft: Draft, now: Instant) -> Draft:
    """The same draft, in which every spot lease stops once its notice is over; until it is settled."""
    spots = [draft.leases[id_] for id_ in sorted(draft.spots)]
    found = [lease for lease in spots if lease.state in YIELDS and until(lease, now) < (lease.stops_at or 0)]
    if found:
        draft.yielding = Yielding(draft, found, now)
        for lease in found:
            draft.yielding.lend(lease)
    return draft


def until(lease: Lease, now: Instant) -> int:
    """When a spot lease stops at the earliest, if it is told now."""
    return max(now, lease.starts_at or 0) + lease.notice_s


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
    for lease in Yielding(draft, short, now).by_size:
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
    spared = yielding.spared(lambda: _has_room(plane, shape, start, end), start, end)
    try:
        yield
    finally:
        for lease in spared:
            yielding.lend(lease)


def _has_room(plane: Plane, shape: Shape, start: int, end: int) -> bool:
    free = free_over(plane, start, end)
    if isinstance(shape, Gang):
        return int((free >= shape.gpus_per_node).sum()) >= shape.nodes
    return int(np.maximum(free, 0).sum()) >= shape.gpus


def borrowers(draft: Draft, now: Instant) -> Ranks:
    """How far each company is over its share, what it has of spot among it as if it were granted just now."""
    ranks = Ranks.of(draft.fair, draft.leases.values(), draft.policy, now)
    for id_ in draft.spots:
        lease = draft.leases[id_]
        ranks.grant(lease.company, lease.gpus, draft.policy.entry_s)
    return ranks


@dataclass(eq=False)
class Yielding:
    """Spot leases of a draft that are lent to what is reserved, or are to be."""

    draft: Draft
    leases: Sequence[Lease]
    now: Instant

    @property
    def gone_at(self) -> Instant:
        """From when on none of them is in the way."""
        return Instant(max(self._begin(lease) for lease in self.leases))

    @contextmanager
    def from_more_over(self, company: CompanyId) -> Generator[None]:
        """Meanwhile only those are lent whose company is more over its share than this one."""
        rank = self._ranks.rank(company)
        kept = self._booked([one for one in self.leases if self._rank(one) <= rank], lambda: True)
        try:
            yield
        finally:
            self._lend(kept)

    @cached_property
    def by_size(self) -> Sequence[Lease]:
        """Who is spared first: least over its share, then the smallest, so that few leases are cut."""
        return sorted(self.leases, key=lambda one: (self._rank(one), one.gpus, -self._work(one), one.id))

    @cached_property
    def by_work(self) -> Sequence[Lease]:
        """The same, but then who has worked most, so that little work is lost."""
        return sorted(self.leases, key=lambda one: (self._rank(one), -self._work(one), one.gpus, one.id))

    def lend(self, lease: Lease) -> None:
        self.draft.lend(lease, self._begin(lease), 1)

    def spared(self, has_room: Callable[[], bool], start: int, end: int) -> Sequence[Lease]:
        """Books again as many of them as leave room: all, else those whom to cut does the least harm."""
        gap_s = self.draft.policy.gap_s
        near = {one.id for one in self.leases if self._begin(one) < end and (one.stops_at or 0) + gap_s > start}
        everybody = self._booked([one for one in self.leases if one.id in near], lambda: True)
        if has_room():
            return everybody
        self._lend(everybody)
        return self._least_harm(lambda order: self._booked([one for one in order if one.id in near], has_room))

    def settle(self) -> None:
        whole = self._booked(self.leases, lambda: True)
        if len(whole) < len(self.leases):
            self._lend(whole)
            whole = self._least_harm(lambda order: self._booked(order, lambda: True))
        kept = {lease.id for lease in whole}
        for lease in self.by_size if len(kept) < len(self.leases) else ():
            if lease.id not in kept:
                stop = _lasting(self.draft, lease, self._begin(lease), lease.stops_at or 0)
                self.draft.lend(lease, self._begin(lease), -1)
                self.draft.put(replace(lease, stops_at=Instant(stop)))

    def _least_harm(self, book: Callable[[Sequence[Lease]], Sequence[Lease]]) -> Sequence[Lease]:
        """Books them in the one order of the two by which fewer are left out, or those that have worked less."""
        by_size = book(self.by_size)
        self._lend(by_size)
        by_work = book(self.by_work)
        if self._harm(by_work) <= self._harm(by_size):
            return by_work
        self._lend(by_work)
        return self._booked(by_size, lambda: True)

    def _harm(self, kept: Sequence[Lease]) -> tuple[int, int]:
        spared = {one.id for one in kept}
        left = [one for one in self.leases if one.id not in spared]
        return len(left), sum(self._work(one) for one in left)

    def _booked(self, order: Sequence[Lease], allowed: Callable[[], bool]) -> Sequence[Lease]:
        """Books one after the other for all of its time, where that is free and then allowed; those that were.

        What is not allowed with some is not with more, so many are tried at once, and halves of them where that is too many.
        """
        found: list[Lease] = []
        for lease in order:
            if self._is_free(lease):
                self.draft.lend(lease, self._begin(lease), -1)
                found.append(lease)
        if allowed():
            return found
        self._lend(found)
        if len(order) <= 1:
            return []
        middle = len(order) // 2
        first = self._booked(order[:middle], allowed)
        return [*first, *self._booked(order[middle:], allowed)]

    def _lend(self, leases: Iterable[Lease]) -> None:
        for lease in leases:
            self.lend(lease)

    def _is_free(self, lease: Lease) -> bool:
        begin, end = self._begin(lease), (lease.stops_at or 0) + self.draft.policy.gap_s
        on = ((self.draft.rows[node], gpus) for node, gpus in lease.placement if node in self.draft.rows)
        return all(rows.least(*self.draft.free.arrays, row, begin, end) >= gpus for row, gpus in on)

    @cached_property
    def _ranks(self) -> Ranks:
        return borrowers(self.draft, self.now)

    def _rank(self, lease: Lease) -> int:
        return self._ranks.rank(lease.company)

    def _begin(self, lease: Lease) -> int:
        """From when on its GPUs are lent."""
        return until(lease, self.now) + self.draft.policy.gap_s

    def _work(self, lease: Lease) -> int:
        """GPU-seconds that may be lost with it: nobody knows of its checkpoints."""
        return lease.gpus * max(0, self.now - (self.now if lease.started_at is None else lease.started_at))


def _lasting(draft: Draft, lease: Lease, begin: int, stop: int) -> int:
    """Until when it can go on, at most `stop`, if it is booked up to `begin`, its gap among it."""
    gap_s = draft.policy.gap_s
    on = [(draft.rows[node], gpus) for node, gpus in lease.placement if node in draft.rows]
    return min((draft.free.steps(row).lasting(begin, gpus, stop + gap_s) - gap_s for row, gpus in on), default=stop)
