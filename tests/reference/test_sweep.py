import pytest

from tests.reference import sweep

EMPTY = ((0,), (8,))
BUSY_UNTIL_50 = ((0, 50), (0, 8))


def test_a_profile_counts_as_often_as_it_weighs_where_it_gives_starts():
    layers = [(EMPTY, 8, 3), (BUSY_UNTIL_50, 8, 2)]
    assert sweep.edges(layers, 10, 0, 100) == {0: 3, 50: 2, 101: -5}


@pytest.mark.parametrize(
    ("needed", "allowed", "want"),
    [
        pytest.param(3, [(0, 100)], 0, id="at once"),
        pytest.param(4, [(0, 100)], 50, id="when enough have come together"),
        pytest.param(6, [(0, 100)], None, id="never enough"),
        pytest.param(4, [(0, 49)], None, id="not while it is allowed"),
        pytest.param(4, [(0, 49), (70, 80)], 70, id="as soon as it is allowed again"),
        pytest.param(3, [(20, 30), (70, 80)], 20, id="in the first range that is allowed"),
    ],
)
def test_the_first_instant_that_enough_share(needed: int, allowed: list[tuple[int, int]], want: int | None):
    assert sweep.first({0: 3, 50: 2, 101: -5}, needed, allowed) == want


def test_a_peak_that_is_over_before_it_is_allowed_does_not_count():
    assert sweep.first({0: 5, 10: -5, 60: 5, 70: -5}, 5, [(10, 59), (69, 80)]) == 69
