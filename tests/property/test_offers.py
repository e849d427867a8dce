"""Whatever a pool has lived through: an offer, claimed at once, is promised exactly what it says, and is inside its wish."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.decide import decide
from scheduler.core.model import LeaseId, Promise, Purpose
from scheduler.core.offers import Reason, Wish, is_whole, search
from tests.property.world import HORIZON_S, Asks, Step, World, asks, histories

LEAD_S = 1
BEST = {Reason.SOONEST, Reason.CHEAPEST, Reason.BEST_PLACEMENT}


@given(histories, asks, st.sampled_from(Purpose), st.integers(1, 4), st.integers(0, 20))
def test_offers_are_different_windows_that_claims_are_promised(
    history: list[Step], asked: Asks, purpose: Purpose, fewer: int, more_s: int
) -> None:
    world = World()
    for step in history:
        world.live(step)
    now, book = world.now, world.book
    ask = replace(asked.at(now), purpose=purpose)
    shortest_s, longest_s = max(1, ask.duration_s // fewer), ask.duration_s + more_s
    wish = Wish(ask=ask, shortest_s=shortest_s, longest_s=longest_s, fewest=1)
    offers = search(book, wish, now, lead_s=LEAD_S)

    windows = [offer.window for offer in offers]
    assert len({(window.start, window.end, window.shape) for window in windows}) == len(windows)
    assert windows == sorted(windows, key=lambda window: window.start)
    for window in windows:
        length = window.end - window.start
        assert max(now + LEAD_S, ask.start or 0) <= window.start
        assert ask.start_by is None or window.start <= ask.start_by
        assert window.end <= now + HORIZON_S
        assert shortest_s <= length <= longest_s
        assert sum(gpus for _, gpus in window.placement) == window.shape.gpus <= ask.shape.gpus
        assert window.quota_left == book.left(ask.company).least(window.start, window.end) - window.shape.gpus >= 0
        claim = replace(ask, shape=window.shape, duration_s=length, start=window.start, start_by=None, queue=False)
        [verdict] = decide(book, [(LeaseId("lea_claim"), claim)], now).verdicts
        assert isinstance(verdict, Promise)
        assert (verdict.promised, verdict.start, verdict.end) == (window.start, window.start, window.end)
    if any(is_whole(offer, ask) for offer in offers):
        assert {reason for offer in offers for reason in offer.reasons} >= BEST


@given(histories, asks)
def test_the_whole_is_offered_exactly_where_an_ask_for_it_would_be_granted(history: list[Step], asked: Asks) -> None:
    world = World()
    for step in history:
        world.live(step)
    now, book = world.now, world.book
    lo = max(now + LEAD_S, asked.at(now).start or 0)
    ask = replace(asked.at(now), start=lo, start_by=lo + 10, queue=False)
    offers = search(book, Wish(ask=ask), now, lead_s=LEAD_S)
    decided = decide(book, [(LeaseId("lea_ask"), ask)], now)
    [verdict] = decided.verdicts
    is_offered, is_promised = any(is_whole(offer, ask) for offer in offers), isinstance(verdict, Promise)
    # Others may make room by moving earlier, which nobody was promised and no offer counts on.
    assert is_offered == is_promised or (is_promised and decided.moves)
    if is_offered and isinstance(verdict, Promise):
        assert verdict.estimate is not None
        assert verdict.estimate <= offers[0].start <= verdict.promised
