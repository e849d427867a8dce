"""What an ask gets: a promise, a place in the queue, or a refusal that says what would work.

`decide` is the table of outcomes, read from top to bottom. Fair shares and budgets are not looked at here, and nothing
that is scheduled moves.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from scheduler.core import quota
from scheduler.core.book import Book
from scheduler.core.model import Ask, Code, Gang, Instant, Promise, Queued, Refusal, Shape, Total, Verdict
from scheduler.core.placement import place
from scheduler.core.steps import Steps

_Numbers = dict[str, int | str]


def decide(book: Book, quota_gpus: int, ask: Ask, now: Instant) -> Verdict:
    """Decides an ask by everything in the book. The same arguments give the same verdict.

    That a window is past or contradicts itself is for the caller to say: here it only has no start in it.
    """
    case = _Case.of(book, quota_gpus, ask, now)
    if not _fits_empty_pool(book, ask.shape):  # before the quota: raising that would not help
        return Refusal(code=Code.NEVER_FITS, numbers=case.numbers() | _largest_ever(case))
    if ask.shape.gpus > quota_gpus:
        return Refusal(code=Code.QUOTA_EXCEEDED, numbers=case.numbers() | _largest_ever(case))
    start = case.earliest(ask.shape, ask.duration_s, case.lo, case.hi)
    if start is not None:
        return _promise(case, start)
    if ask.queue:
        code = Code.WAITS_FOR_QUOTA if case.obstacle() == "quota" else Code.WAITS_FOR_CAPACITY
        return Queued(code=code, numbers=case.numbers())
    numbers = case.numbers() | {"waits_for": case.obstacle()} | _instead(case)
    return Refusal(code=Code.NO_START_IN_WINDOW, numbers=numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """An ask beside what it is decided by; its start is to lie in `[lo, hi]`, and never after `last`, the horizon's."""

    book: Book
    ask: Ask
    now: Instant
    lo: int
    hi: int
    last: int
    limit_gpus: int
    held: Steps
    left: Steps

    @classmethod
    def of(cls, book: Book, quota_gpus: int, ask: Ask, now: Instant) -> "_Case":
        last = now + book.policy.horizon_s - ask.duration_s
        exactly_then = last if ask.start is None else ask.start
        held = book.held(ask.company)
        return cls(
            book=book,
            ask=ask,
            now=now,
            lo=now if ask.start is None else max(now, ask.start),
            hi=min(last, exactly_then if ask.start_by is None else ask.start_by),
            last=last,
            limit_gpus=quota_gpus,
            held=held,
            left=quota.remaining(quota_gpus, held),
        )

    def earliest(self, shape: Shape, duration_s: int, lo: int, hi: int) -> Instant | None:
        """The first start in `[lo, hi]` at which calendar and quota both hold throughout."""
        length = duration_s + self.book.policy.gap_s
        return self.book.calendar.earliest(shape, length, lo, hi, self.left, shape.gpus, duration_s)

    def obstacle(self) -> Literal["quota", "capacity"]:
        """What alone keeps the ask out of its window; capacity where both do."""
        length = self.ask.duration_s + self.book.policy.gap_s
        fits = self.book.calendar.earliest(self.ask.shape, length, self.lo, self.hi) is not None
        return "quota" if fits else "capacity"

    def numbers(self) -> _Numbers:
        """What every verdict says: the ask, the pool, and the company's limit, `held` and `free` as of now."""
        return {
            "asked_gpus": self.ask.shape.gpus,
            "held_gpus": self.held.at(self.now),
            "limit_gpus": self.limit_gpus,
            "free_gpus_now": self.book.calendar.free_at(self.now),
            "pool_gpus": self.book.nominal,
        }


def _promise(case: _Case, start: Instant) -> Promise:
    ask = case.ask
    end = Instant(start + ask.duration_s)
    numbers = case.numbers() | {"gpus": ask.shape.gpus, "wait_s": start - case.now}
    if start == case.now:
        code = Code.STARTS_NOW
    elif start == ask.start:
        code = Code.STARTS_AS_ASKED
    else:
        code = Code.STARTS_LATER
        numbers["waits_for"] = _waited_for(case, start)
    placement = place(case.book.calendar, ask.shape, start, end + case.book.policy.gap_s)
    return Promise(code=code, start=start, end=end, placement=placement, numbers=numbers)


def _waited_for(case: _Case, start: Instant) -> Literal["quota", "capacity"]:
    """What the second before the start still lacked."""
    return "quota" if case.left.at(start - 1) < case.ask.shape.gpus else "capacity"


def _fits_empty_pool(book: Book, shape: Shape) -> bool:
    if isinstance(shape, Total):
        return shape.gpus <= book.nominal
    return shape.nodes <= sum(gpus >= shape.gpus_per_node for gpus in book.good_day())


def _largest_ever(case: _Case) -> _Numbers:
    """The largest shape of the asked kind that pool and quota could both hold on a good day."""
    nodes, shape = case.book.good_day(), case.ask.shape
    numbers: _Numbers = {"nodes": len(nodes), "largest_gpus_per_node": nodes[0] if nodes else 0}
    if isinstance(shape, Total):
        return numbers | {"largest_gpus": min(case.book.nominal, case.limit_gpus)}
    per_node = max(1, shape.gpus_per_node)
    largest = min(sum(gpus >= per_node for gpus in nodes), case.limit_gpus // per_node)
    return numbers | {"largest_gang_nodes": largest, "largest_gpus": largest * per_node}


def _instead(case: _Case) -> _Numbers:
    """What would have been granted: the shape at another time; at the window's start, less of it or for shorter.

    The other time is the first after the window's start, or else the first from now on. What does not exist is left out.
    """
    ask, lo = case.ask, case.lo

    def fits(shape: Shape, duration_s: int) -> bool:
        in_horizon = lo + duration_s <= case.now + case.book.policy.horizon_s
        return in_horizon and case.earliest(shape, duration_s, lo, lo) is not None

    earliest = case.earliest(ask.shape, ask.duration_s, lo, case.last)
    if earliest is None:
        earliest = case.earliest(ask.shape, ask.duration_s, case.now, min(lo, case.last))
    size = ask.shape.nodes if isinstance(ask.shape, Gang) else ask.shape.gpus
    largest = _resized(ask.shape, _most(lambda size: fits(_resized(ask.shape, size), ask.duration_s), size)).gpus
    longest = _most(lambda duration_s: fits(ask.shape, duration_s), ask.duration_s)
    found = {"earliest_start": earliest, "largest_gpus_now": largest or None, "longest_s_now": longest or None}
    return {name: number for name, number in found.items() if number is not None}


def _resized(shape: Shape, size: int) -> Shape:
    return replace(shape, nodes=size) if isinstance(shape, Gang) else Total(gpus=size)


def _most(fits: Callable[[int], bool], highest: int) -> int:
    """The most of `1..highest` that fits, where less always fits too; 0 if nothing does."""
    if highest < 1 or not fits(1):
        return 0
    low, high = 1, highest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
