import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.reporting.offset import KEPT, Exchange, Offset


def test_before_any_exchange_nothing_is_known() -> None:
    assert Offset().ahead_s is None


def test_the_exchange_that_took_least_is_believed() -> None:
    offset = Offset()
    found = [offset.learn(Exchange(*each)) for each in ((100.4, 1.0), (100.01, 0.02), (99.7, 2.0))]

    assert found == [100.4, 100.01, 100.01]
    assert offset.ahead_s == 100.01


def test_an_old_exchange_is_forgotten_however_short_it_was() -> None:
    offset = Offset()
    offset.learn(Exchange(100.0, 0.001))
    for _ in range(KEPT):
        offset.learn(Exchange(100.01, 0.5))

    assert offset.ahead_s == 100.01


@pytest.mark.parametrize("step_s", [-3600.0, -1.0, 1.0, 3600.0])
def test_a_clock_that_was_set_is_followed_at_once(step_s: float) -> None:
    offset = Offset()
    offset.learn(Exchange(100.0, 0.001))

    assert offset.learn(Exchange(100.0 + step_s, 0.5)) == 100.0 + step_s


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1)), min_size=1, max_size=30))
def test_it_is_never_further_off_than_half_of_the_newest_exchange(trips: list[tuple[float, float]]) -> None:
    """Each exchange may be off by up to half of its time, in either direction."""
    offset = Offset()
    for round_trip_s, part in trips:
        found = offset.learn(Exchange(50.0 + round_trip_s * (part - 0.5), round_trip_s))

        assert abs(found - 50.0) <= round_trip_s / 2 + 1e-9
