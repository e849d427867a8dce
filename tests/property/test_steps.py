from collections.abc import Callable
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.steps import Steps
from tests.effort import examples

END = 30
instants = st.integers(0, END - 1)
additions = st.lists(st.tuples(instants, st.integers(0, END), st.integers(-3, 3)), max_size=8)

naive = list[int]
"""One value a second; the last holds for ever."""


def both(base: int, added: list[tuple[int, int, int]]) -> tuple[Steps, naive]:
    steps, values = Steps.flat(base), [base] * (END + 1)
    for start, end, amount in added:
        steps = steps.add(start, end, amount)
        values = [value + amount if start <= t < end else value for t, value in enumerate(values)]
    return steps, values


def value(values: naive, instant: int) -> int:
    return values[min(instant, END)]


@settings(max_examples=examples(200), deadline=None)
@given(st.integers(0, 8), additions)
def test_every_value_is_the_sum_of_what_was_added(base: int, added: list[tuple[int, int, int]]):
    steps, values = both(base, added)
    assert [steps.at(t) for t in range(END + 1)] == values


@settings(max_examples=examples(200), deadline=None)
@given(st.integers(0, 8), additions, additions)
def test_equal_functions_are_equal_values(
    base: int, added: list[tuple[int, int, int]], more: list[tuple[int, int, int]]
):
    steps, _ = both(base, added)
    there = steps
    for start, end, amount in more:
        there = there.add(start, end, amount)
    for start, end, amount in more:
        there = there.add(start, end, -amount)
    assert there == steps
    assert steps.times[0] == 0
    assert list(steps.times) == sorted(set(steps.times))
    assert all(a != b for a, b in pairwise(steps.values))


@settings(max_examples=examples(200), deadline=None)
@given(st.integers(0, 8), additions, instants, st.integers(1, END))
def test_the_least_and_the_most_are_those_of_every_second(
    base: int, added: list[tuple[int, int, int]], start: int, length: int
):
    steps, values = both(base, added)
    during = [value(values, t) for t in range(start, start + length)]
    measures: list[tuple[Callable[[int, int], int], int]] = [(steps.least, min(during)), (steps.most, max(during))]
    for measure, want in measures:
        assert measure(start, start + length) == want


@settings(max_examples=examples(200), deadline=None)
@given(st.integers(0, 8), additions, instants, st.integers(-3, 3))
def test_forgetting_and_shifting_change_no_second_from_then_on(
    base: int, added: list[tuple[int, int, int]], since: int, amount: int
):
    steps, values = both(base, added)
    changed = steps.shift(amount).since(since)
    assert [changed.at(t) for t in range(since, END + 1)] == [value + amount for value in values[since:]]
    assert all(time == 0 or time > since for time in changed.times)


@settings(max_examples=examples(300), deadline=None)
@given(st.integers(0, 8), additions, st.integers(0, 8), st.integers(1, 12), instants, st.integers(0, END + 10))
def test_the_starts_are_those_at_which_every_second_is_high_enough(
    base: int, added: list[tuple[int, int, int]], level: int, length: int, lo: int, hi: int
):
    steps, values = both(base, added)
    want = [s for s in range(lo, hi + 1) if all(value(values, t) >= level for t in range(s, s + length))]
    ranges = steps.starts(level, length, lo, hi)
    assert [s for first, last in ranges for s in range(first, last + 1)] == want
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))
