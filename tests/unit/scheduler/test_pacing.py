"""A fleet that comes back is told to tell the less and the later, the more of it waits."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.core import pacing

LOADS = st.floats(0, 1)


def test_while_nothing_waits_everything_may_be_told_as_the_agent_is_set() -> None:
    assert (pacing.replay(0), pacing.report_in_s(0, 10, 1)) == (pacing.REPLAY, None)


def test_when_no_more_is_taken_nothing_that_was_kept_is_told() -> None:
    assert pacing.replay(1) == 0


@given(LOADS, LOADS)
def test_under_more_load_no_more_may_be_told(one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert pacing.replay(more) <= pacing.replay(less)


@given(LOADS, st.floats(0.1, 3600), st.floats(0, 1, exclude_max=True))
def test_nobody_is_told_to_report_sooner_than_he_does(load: float, interval_s: float, chance: float) -> None:
    found = pacing.report_in_s(load, interval_s, chance)
    assert found is None or interval_s - 0.001 <= found <= max(pacing.SLOWEST_S, interval_s) + 0.001


@given(st.floats(0, 1, exclude_max=True))
def test_whoever_is_turned_away_comes_again_within_the_bounds(chance: float) -> None:
    soonest, latest = pacing.FULL_S
    assert soonest <= pacing.come_again_s(chance) <= latest


def test_those_that_are_turned_away_do_not_come_again_in_step() -> None:
    assert len({pacing.come_again_s(chance / 100) for chance in range(100)}) > 10


def test_a_report_waits_for_others_only_where_there_are_others() -> None:
    assert [pacing.pause_s(count) for count in (0, 1, 5, 1000)] == [0, 0, 0.1, pacing.PAUSE_S]
