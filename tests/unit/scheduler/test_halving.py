"""What was used is worth half after each half-life, to the same number everywhere."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.halving import factor, halved

WEEK = 604_800


def left(amount: int, passed_s: int, half_life_s: int) -> int:
    return halved(amount, factor(passed_s, half_life_s))


def test_half_is_left_after_a_half_life_and_a_quarter_after_two():
    assert [left(1 << 40, passed, WEEK) for passed in (0, WEEK, 2 * WEEK)] == [1 << 40, 1 << 39, 1 << 38]


def test_the_same_number_is_left_on_every_machine():
    assert left(10**12, 1, WEEK) == 999_998_853_999
    assert left(10**12, WEEK // 3, WEEK) == 793_700_526_026


def test_after_many_half_lives_nothing_is_left():
    assert left(10**15, 100 * WEEK, WEEK) == 0
    assert left(10**15, 10**12, 1) == 0


def test_time_that_ran_backwards_changes_nothing():
    assert left(7, -5, WEEK) == 7


@given(st.integers(0, 1 << 60), st.integers(0, 1 << 32), st.integers(1, 1 << 30))
def test_what_is_left_is_a_power_of_a_half(amount: int, passed: int, half_life: int):
    want = amount * 0.5 ** (passed / half_life)
    assert abs(left(amount, passed, half_life) - want) <= 1 + want * 1e-6


@given(st.integers(0, 1 << 60), st.integers(0, 1 << 20), st.integers(0, 1 << 20), st.integers(1, 1 << 20))
def test_less_is_left_of_less_and_after_longer(amount: int, passed: int, more: int, half_life: int):
    assert (
        left(amount, passed + more, half_life) <= left(amount, passed, half_life) <= left(amount + 1, passed, half_life)
    )
