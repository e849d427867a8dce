"""Windows that would satisfy an ask: several different ones, each good for its own reason.

They are found by the same question on the same calendar as decides asks, and hold nothing: a claim is an ask for
exactly that time. The two steps, search and then claim, are those of AWS Capacity Blocks and of GCP's calendar mode.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from scheduler.core import preemption
from scheduler.core.book import Book, Draft
from scheduler.core.model import Ask, Gang, Instant, Shape
from scheduler.core.shapes import most, resized
from scheduler.core.windows import Window, Windows

LEAD_S = 60
"""An offer starts at the earliest so long from now: it wants to be read and claimed. Who cannot wait asks."""

MOST = 6
"""Offers in a pool, unless more of them are good for something; more would not be read."""


class Reason(StrEnum):
    """Why a window is offered, among those of its pool."""

    SOONEST = "soonest"
    CHEAPEST = "cheapest"
    """It leaves most of the company's quota free while it lasts."""
    BEST_PLACEMENT = "best_placement"
    """`Window.standing` says what that is."""
    LATER = "later"
    SHORTER = "shorter"
    """Sooner than the whole time fits, or as long as fits where the whole fits nowhere."""
    SMALLER = "smaller"
    """The same for the shape."""
    LONGER = "longer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is looked for, and by how much it may be other than asked; None where nothing was said.

    `fewest` counts the nodes of a gang, or GPUs in total.
    """

    ask: Ask
    shortest_s: int | None = None
    longest_s: int | None = None
    fewest: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A window, and what speaks for it."""

    window: Window
    reasons: tuple[Reason, ...]

    @property
    def start(self) -> Instant:
        return self.window.start


def search(book: Book, wish: Wish, now: Instant, *, lead_s: int = LEAD_S) -> list[Offer]:
    """Windows for the wish within its ask's own window, the first to start first.

    What is shorter or smaller is offered where it was wished for and is sooner; and where the whole fits nowhere, if it
    is no less than was wished for, or half where nothing was said.
    """
    draft, ask = preemption.opened(Draft(book), now), wish.ask
    draft.account(ask.company)
    windows = Windows(draft=draft, ask=ask, now=now, lo=max(now + lead_s, ask.start or 0))
    whole = list(_whole(windows))
    return _chosen(
        [*whole, *_shorter(windows, wish, whole), *_smaller(windows, wish, whole), *_longer(windows, wish, whole)]
    )


def is_whole(offer: Offer, ask: Ask) -> bool:
    """Whether it gives all that was asked for."""
    return offer.window.shape == ask.shape and offer.window.end - offer.start >= ask.duration_s


def _whole(windows: Windows) -> Iterator[Offer]:
    ask = windows.ask
    tried = [windows.window(ask.shape, ask.duration_s, start) for start in windows.starts()]
    if not tried:
        return
    yield Offer(window=tried[0], reasons=(Reason.SOONEST,))
    cheapest = min(tried, key=lambda window: (-window.quota_left, window.start))
    yield Offer(window=cheapest, reasons=(Reason.CHEAPEST,))
    best = min(tried, key=lambda window: window.standing(ask.purpose))
    yield Offer(window=best, reasons=(Reason.BEST_PLACEMENT,))
    yield from _later(windows, tried[0].start)


def _later(windows: Windows, first: Instant) -> Iterator[Offer]:
    """Windows after the first one, each from when the one before is over."""
    ask, after = windows.ask, first
    for _ in range(MOST - 1):
        start = windows.first(ask.shape, ask.duration_s, after + ask.duration_s + windows.draft.policy.gap_s)
        if start is None:
            return
        yield Offer(window=windows.window(ask.shape, ask.duration_s, start), reasons=(Reason.LATER,))
        after = start


def _shorter(windows: Windows, wish: Wish, whole: Sequence[Offer]) -> Iterator[Offer]:
    ask, least = wish.ask, _least(wish.shortest_s, wish.ask.duration_s, whole)
    found = _less(windows, lambda length: (ask.shape, length), least, ask.duration_s, whole)
    if found is not None:
        yield Offer(window=found, reasons=(Reason.SHORTER,))


def _smaller(windows: Windows, wish: Wish, whole: Sequence[Offer]) -> Iterator[Offer]:
    ask = wish.ask
    size = ask.shape.nodes if isinstance(ask.shape, Gang) else ask.shape.gpus
    least = _least(wish.fewest, size, whole)
    found = _less(windows, lambda count: (resized(ask.shape, count), ask.duration_s), least, size, whole)
    if found is not None:
        yield Offer(window=found, reasons=(Reason.SMALLER,))


def _least(wished: int | None, asked: int, whole: Sequence[Offer]) -> int:
    """How much there must be of it at the least; where the whole fits, only who wished for less gets less."""
    if wished is not None:
        return wished
    return asked if whole else -(-asked // 2)


def _less(
    windows: Windows, of: Callable[[int], tuple[Shape, int]], least: int, asked: int, whole: Sequence[Offer]
) -> Window | None:
    """As much as fits, of at least `least` and less than `asked`: sooner than the whole, or where the whole fits nowhere."""
    if least >= asked:
        return None
    if whole:
        start = windows.first(*of(least), by=whole[0].start - 1)
        if start is None:
            return None
        amount = most(lambda amount: windows.fits(*of(amount), start), asked)
        return windows.window(*of(amount), start)
    amount = most(lambda amount: windows.first(*of(amount)) is not None, asked)
    start = windows.first(*of(amount)) if amount >= least else None
    return None if start is None else windows.window(*of(amount), start)


def _longer(windows: Windows, wish: Wish, whole: Sequence[Offer]) -> Iterator[Offer]:
    """The longest that one of the whole windows can be; among equals the soonest."""
    ask, longest = wish.ask, wish.longest_s
    if longest is None or longest <= ask.duration_s or not whole:
        return
    lengths = [
        (most(lambda length, at=start: windows.fits(ask.shape, length, at), longest), -start)
        for start in {offer.start for offer in whole}
    ]
    length, start = max(lengths)
    if length > ask.duration_s:
        window = windows.window(ask.shape, length, Instant(-start))
        yield Offer(window=window, reasons=(Reason.LONGER,))


def _chosen(offers: Iterable[Offer]) -> list[Offer]:
    """Each window once, with all that speaks for it; later ones fill up."""
    found: dict[tuple[int, int, Shape], Offer] = {}
    for offer in offers:
        key = (offer.start, offer.window.end, offer.window.shape)
        known = found.get(key)
        reasons = offer.reasons if known is None else (*known.reasons, *offer.reasons)
        special = tuple(reason for reason in dict.fromkeys(reasons) if reason is not Reason.LATER)
        found[key] = replace(known or offer, reasons=special or (Reason.LATER,))
    by_start = sorted(found.values(), key=lambda offer: (offer.start, offer.window.end, offer.window.shape.gpus))
    later = [offer for offer in by_start if offer.reasons == (Reason.LATER,)]
    dropped = later[max(0, MOST - (len(by_start) - len(later))) :]
    return [offer for offer in by_start if offer not in dropped]
