"""Windows that would satisfy an ask: several different ones, each good for its own reason.

All of them come from the same question that an ask is decided by. They hold nothing: a claim is an ask for that time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from scheduler.core.book import Book, Draft
from scheduler.core.calendar import Box, earliest
from scheduler.core.decide import most, resized
from scheduler.core.model import Ask, Gang, Instant, Placement, Shape
from scheduler.core.placement import place

LEAD_S = 60
"""An offer starts at the earliest so long from now: it wants to be read and claimed. Who cannot wait asks."""

MOST = 6
"""Offers of a pool; more would not be read."""

TRIED = 96
"""Starts that are looked at for a better placement or more quota, spread over the window."""


class Reason(StrEnum):
    """Why a window is offered."""

    SOONEST = "soonest"
    CHEAPEST = "cheapest"
    """It leaves most of the company's quota free while it lasts."""
    BEST_PLACEMENT = "best_placement"
    """It is on the fewest islands and racks, and strands least."""
    LATER = "later"
    SHORTER = "shorter"
    """The whole time fits nowhere in the window; so much does."""
    SMALLER = "smaller"
    """The whole shape fits nowhere in the window; so much does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A window and what speaks for it. `quota_left` is what the company's quota leaves beside it at the tightest."""

    reasons: tuple[Reason, ...]
    shape: Shape
    start: Instant
    end: Instant
    placement: Placement
    islands: int
    racks: int
    quota_left: int

    @property
    def gpu_seconds(self) -> int:
        """What it takes of the company's account."""
        return self.shape.gpus * (self.end - self.start)


def search(book: Book, ask: Ask, now: Instant) -> list[Offer]:
    """Windows for the ask in its own window, the first to start first; none where the pool or the quota could never."""
    if ask.shape.gpus > book.quota(ask.company):
        return []
    draft = Draft(book)
    draft.account(ask.company)
    lo = max(now + LEAD_S, ask.start or 0)
    last = now + book.policy.horizon_s - ask.duration_s
    hi = last if ask.start_by is None else min(last, ask.start_by)
    offers = _whole(draft, ask, lo, hi) or list(_less(draft, ask, lo, hi))
    return _merged(offers)


def _whole(draft: Draft, ask: Ask, lo: int, hi: int) -> list[Offer]:
    first = _at(draft, ask, ask.shape, ask.duration_s, lo, hi, Reason.SOONEST)
    if first is None:
        return []
    tried = [first, *_spread(draft, ask, lo, hi)]
    cheapest = min(tried, key=lambda offer: (-offer.quota_left, offer.start))
    best = min(tried, key=lambda offer: (offer.islands, offer.racks, len(offer.placement), offer.start))
    chosen = [
        first,
        replace(cheapest, reasons=(Reason.CHEAPEST,)),
        replace(best, reasons=(Reason.BEST_PLACEMENT,)),
    ]
    return chosen + _later(draft, ask, first, hi)


def _later(draft: Draft, ask: Ask, first: Offer, hi: int) -> list[Offer]:
    """Windows after the first one, each beginning when the one before is over."""
    found: list[Offer] = []
    after = first
    while len(found) < MOST - 3:
        step = max(1, ask.duration_s + draft.policy.gap_s)
        offer = _at(draft, ask, ask.shape, ask.duration_s, after.start + step, hi, Reason.LATER)
        if offer is None:
            break
        found.append(offer)
        after = offer
    return found


def _spread(draft: Draft, ask: Ask, lo: int, hi: int) -> Iterator[Offer]:
    """The first windows from some instants on at which something changes for the company or on a node."""
    instants = {int(at) for at in _edges(draft, ask) if lo < at <= hi}
    ordered = sorted(instants)
    step = max(1, len(ordered) // TRIED)
    for at in ordered[::step]:
        offer = _at(draft, ask, ask.shape, ask.duration_s, at, hi, Reason.LATER)
        if offer is not None:
            yield offer


def _edges(draft: Draft, ask: Ask) -> Iterable[int]:
    yield from draft.limits.steps(draft.account(ask.company)).times
    for row in range(len(draft.free)):
        yield from draft.free.steps(row).times


def _less(draft: Draft, ask: Ask, lo: int, hi: int) -> Iterator[Offer]:
    """Where the whole fits nowhere: the longest, and the largest, that do."""
    longest = most(lambda length: _start(draft, ask, ask.shape, length, lo, hi) is not None, ask.duration_s)
    if longest and (offer := _at(draft, ask, ask.shape, longest, lo, hi, Reason.SHORTER)) is not None:
        yield offer
    size = ask.shape.nodes if isinstance(ask.shape, Gang) else ask.shape.gpus
    largest = most(lambda n: _start(draft, ask, resized(ask.shape, n), ask.duration_s, lo, hi) is not None, size)
    if largest:
        shape = resized(ask.shape, largest)
        if (offer := _at(draft, ask, shape, ask.duration_s, lo, hi, Reason.SMALLER)) is not None:
            yield offer


def _start(draft: Draft, ask: Ask, shape: Shape, duration_s: int, lo: int, hi: int) -> Instant | None:
    return earliest(draft, Box.of(draft, ask.company, shape, duration_s), lo, hi)


def _at(draft: Draft, ask: Ask, shape: Shape, duration_s: int, lo: int, hi: int, reason: Reason) -> Offer | None:
    start = _start(draft, ask, shape, duration_s, lo, hi)
    if start is None:
        return None
    end = Instant(start + duration_s)
    placement = place(draft, shape, start, end + draft.policy.gap_s, ask.purpose)
    nodes = [draft.nodes[node] for node, _ in placement]
    left = draft.limits.least(draft.account(ask.company), start, end) - shape.gpus
    return Offer(
        reasons=(reason,),
        shape=shape,
        start=start,
        end=end,
        placement=placement,
        islands=len({(node.rack, node.island) for node in nodes}),
        racks=len({node.rack for node in nodes}),
        quota_left=left,
    )


def _merged(offers: Iterable[Offer]) -> list[Offer]:
    """Each window once, with everything that speaks for it."""
    found: dict[tuple[int, int, Shape], Offer] = {}
    for offer in offers:
        key = (offer.start, offer.end, offer.shape)
        known = found.get(key)
        if known is None:
            found[key] = offer
        else:
            reasons = [*known.reasons, *offer.reasons]
            special = [reason for reason in reasons if reason is not Reason.LATER] or reasons
            found[key] = replace(known, reasons=tuple(dict.fromkeys(special)))
    return sorted(found.values(), key=lambda offer: (offer.start, offer.end))[:MOST]
