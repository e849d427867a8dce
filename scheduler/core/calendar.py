"""The one question asked of a book's time: when does it fit.

Ask, offer, extend, move, re-plan and what-if all go through `earliest`, `latest` and `fits`, on a book or on a draft of
one. How it is answered is in `scheduler.core.compiled.search`.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scheduler.core.book import Book, Draft
from scheduler.core.budget import Windows, left, starts
from scheduler.core.compiled import choose, rows, search
from scheduler.core.model import CompanyId, Gang, Instant, Shape
from scheduler.core.walk_in import AHEAD

Plane = Book | Draft

Limit = Literal["budget", "walk_in", "quota"]
"""What a box is under beside what the nodes have: its company's budget and GPUs at once, and the walk-in reserve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What is looked for: a shape for a company, for so long; `limits` are the rows of the limits that it is under."""

    shape: Shape
    duration_s: int
    gap_s: int
    limits: NDArray[np.int64]
    windows: Windows | None = None
    """The only starts that its company's budget leaves it; None for all."""
    soon: int | None = None
    """A later start than that is held to the walk-in reserve; None where none is."""

    @classmethod
    def of(cls, plane: Plane, company: CompanyId, shape: Shape, duration_s: int, *, soon: int | None = None) -> "Box":
        """`soon` is what `scheduler.core.walk_in` says of it; without it nothing is held to the walk-in reserve."""
        found = [plane.accounts[company]] if company in plane.accounts else []
        if plane.policy.reserve_ppm and (row := plane.reserve(duration_s, shape.gpus)) >= 0:
            found.append(row)
        windows = None
        standing = plane.standing(company)
        if standing is not None and (quota := plane.quotas[company]).periods:
            windows = starts(left(quota, standing), shape.gpus, duration_s)
        limits = np.array(found, np.int64)
        return cls(
            shape=shape, duration_s=duration_s, gap_s=plane.policy.gap_s, limits=limits, windows=windows, soon=soon
        )

    @property
    def under(self) -> tuple[Limit, ...]:
        """The limits that it may be under."""
        found: tuple[Limit, ...] = () if self.windows is None else ("budget",)
        return (*found, "quota") if self.soon is None else (*found, "walk_in", "quota")

    def unlimited(self) -> "Box":
        """The same under no limit."""
        return self.only(())

    def only(self, limits: Collection[Limit]) -> "Box":
        """The same under these of its limits alone."""
        return replace(
            self,
            limits=self.limits if "quota" in limits else np.empty(0, np.int64),
            windows=self.windows if "budget" in limits else None,
            soon=self.soon if "walk_in" in limits else None,
        )

    def promised_by(self, start: int, last: int) -> int:
        """Up to when it may be promised, if it could start at `start`: what is not booked ahead is not made so."""
        return last if self.soon is None or start > self.soon else min(last, self.soon)


def earliest(plane: Plane, box: Box, lo: int, hi: int) -> Instant | None:
    """The first start in `[lo, hi]` at which nodes and limits hold throughout the box, the nodes for its gap too."""
    return _start(plane, box, lo, hi, latest=False)


def latest(plane: Plane, box: Box, lo: int, hi: int) -> Instant | None:
    """The last such start in `[lo, hi]`."""
    return _start(plane, box, lo, hi, latest=True)


def fits(plane: Plane, box: Box, start: int) -> bool:
    """Whether it can start exactly then."""
    return _start(plane, box, start, start, latest=False) is not None


def free_over(plane: Plane, start: int, end: int) -> NDArray[np.int64]:
    """What each node has throughout `[start, end)`, in the order of the rows; 0 where it is closed."""
    return choose.lows(*plane.free.arrays, plane.open, start, end)


def free_from(plane: Plane, row: int, start: int, gpus: int, until: int) -> int:
    """How long from `start` on a node has so many GPUs: the end of that stretch, at most `until`."""
    return plane.free.steps(row).lasting(start, gpus, until)


def lacks(plane: Plane, row: int, since: int) -> bool:
    """Whether more is booked on the node than it has, at some instant from `since` on."""
    return rows.least(*plane.free.arrays, row, since, 1 << 60) < 0


def _start(plane: Plane, box: Box, lo: int, hi: int, *, latest: bool) -> Instant | None:
    if box.windows is None:
        return _inside(plane, box, lo, hi, latest=latest)
    for begin, end in reversed(box.windows) if latest else box.windows:
        if begin <= hi and lo <= end:
            found = _inside(plane, box, max(lo, begin), min(hi, end), latest=latest)
            if found is not None:
                return found
    return None


def _inside(plane: Plane, box: Box, lo: int, hi: int, *, latest: bool) -> Instant | None:
    if box.soon is None or hi <= box.soon:
        return _searched(plane, box, lo, hi, latest=latest)
    ahead = replace(box, limits=np.append(box.limits, AHEAD))
    parts = (box, lo, box.soon), (ahead, max(lo, box.soon + 1), hi)
    for one, first, last in reversed(parts) if latest else parts:
        if first <= last and (found := _searched(plane, one, first, last, latest=latest)) is not None:
            return found
    return None


def _searched(plane: Plane, box: Box, lo: int, hi: int, *, latest: bool) -> Instant | None:
    gang = isinstance(box.shape, Gang)
    found = search.start(
        plane.free.arrays,
        plane.open,
        gang,
        box.shape.nodes if isinstance(box.shape, Gang) else 0,
        box.shape.gpus_per_node if isinstance(box.shape, Gang) else box.shape.gpus,
        box.duration_s + box.gap_s,
        plane.limits.arrays,
        box.limits,
        box.shape.gpus,
        box.duration_s,
        max(0, lo),
        hi,
        latest,
    )
    return None if found == search.NONE else Instant(int(found))
