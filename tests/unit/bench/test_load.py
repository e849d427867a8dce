"""Clients that come to an end."""

from collections.abc import Callable, Iterator

import pytest

from bench.load import finish


def a_lane(calls: list[int], count: int) -> Iterator[Callable[[], object]]:
    return iter([lambda number=number: calls.append(number) for number in range(count)])


def test_every_call_of_every_lane_is_made_once_and_timed() -> None:
    calls: list[int] = []
    timed = finish([a_lane(calls, 5), a_lane(calls, 3)])
    assert sorted(calls) == [0, 0, 1, 1, 2, 2, 3, 4]
    assert len(timed.each_ms) == 8
    assert timed.rate == pytest.approx(8 / timed.wall_s)


def test_what_a_call_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        finish([iter([lambda: 1 // 0])])
