"""A budget is turned into starts; counted second by second, these are all at which a box takes no more than is left."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.budget import FOR_EVER, starts

LAST = 60


@st.composite
def budgets(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Periods one after the other, with nothing, something or too little left in each."""
    edges = sorted(draw(st.sets(st.integers(0, LAST), min_size=1, max_size=5)))
    return [(begin, end, draw(st.integers(-3, 40))) for begin, end in pairwise(edges)]


@given(budgets(), st.integers(1, 5), st.integers(1, 25))
def test_the_starts_of_a_box_are_those_at_which_no_period_gives_more_than_it_has(
    periods: list[tuple[int, int, int]], gpus: int, duration_s: int
):
    found = starts(periods, gpus, duration_s)
    for start in range(LAST + 2):
        box = range(start, start + duration_s)
        fits = all(
            gpus * len(range(max(box.start, begin), min(box.stop, end))) <= max(0, has) for begin, end, has in periods
        )
        assert any(first <= start <= last for first, last in found) == fits
    assert found[-1][1] == FOR_EVER
    assert all(earlier[1] + 1 < later[0] for earlier, later in pairwise(found))
