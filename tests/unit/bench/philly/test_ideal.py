"""Weighted max-min worked out from what everybody ran and waited for."""

import pytest

from bench.philly.ideal import Moment, Stretch, backlogs, moments, poured
from bench.philly.sharing import skewed
from tests.unit.bench.philly.asks import a_job

HOUR = 3600


@pytest.mark.parametrize(
    ("wants", "want"),
    [
        ({"a": 100, "b": 100}, {"a": 2, "b": 6}),
        ({"a": 100, "b": 3}, {"a": 5, "b": 3}),
        ({"a": 1, "b": 3}, {"a": 1, "b": 3}),
        ({"a": 0, "b": 9}, {"a": 0, "b": 8}),
    ],
)
def test_the_pool_is_poured_by_shares_up_to_what_is_wanted(wants: dict[str, float], want: dict[str, float]) -> None:
    assert poured(8, {"a": 1, "b": 3}, wants) == pytest.approx(want)


def test_moments_say_what_runs_and_what_waits() -> None:
    jobs = [a_job(0, gpus=4, run_s=10), a_job(1, gpus=2, submit=5, run_s=10, company="b")]
    ran = [Stretch(job=jobs[0], asked=0, promised=0, start=0, end=10)]
    ran += [Stretch(job=jobs[1], asked=5, promised=10, start=10, end=20)]
    assert list(moments(ran)) == [
        Moment(at=0, runs={"a": 4}, waits={"a": 0}),
        Moment(at=5, runs={"a": 4, "b": 0}, waits={"a": 0, "b": 2}),
        Moment(at=10, runs={"a": 0, "b": 2}, waits={"a": 0, "b": 0}),
        Moment(at=20, runs={"a": 0, "b": 0}, waits={"a": 0, "b": 0}),
    ]


def a_moment(hour: int, *, a: tuple[int, int], b: tuple[int, int]) -> Moment:
    return Moment(at=hour * HOUR, runs={"a": a[0], "b": b[0]}, waits={"a": a[1], "b": b[1]})


def test_a_company_is_backlogged_while_it_wants_more_than_its_ideal() -> None:
    found = [
        a_moment(0, a=(4, 9), b=(4, 0)),  # a's ideal is 4: b is given what it wants
        a_moment(1, a=(6, 9), b=(2, 9)),  # a's is 2, b's is 6
        a_moment(3, a=(8, 0), b=(0, 0)),
        a_moment(9, a=(0, 0), b=(0, 0)),
    ]
    a, b = backlogs(found, {"a": 1, "b": 3}, 8)
    assert (a.seconds, a.had, a.ideal) == (3 * HOUR, 16 * HOUR, pytest.approx(8 * HOUR))
    assert (b.seconds, b.had, b.ideal) == (2 * HOUR, 4 * HOUR, pytest.approx(12 * HOUR))
    assert (a.off, b.off) == (pytest.approx(1.0), pytest.approx(-2 / 3))
    assert a.worst == b.worst == 0


def test_the_worst_stretch_is_a_day_or_longer_and_the_worst_of_all() -> None:
    """10 hours of 2 too many, then 30 of 1 too few: the worst day is 24 of these, less 2 % of its ideal."""
    found = [
        a_moment(0, a=(6, 9), b=(2, 9)),
        a_moment(10, a=(3, 9), b=(5, 9)),
        a_moment(40, a=(0, 0), b=(0, 0)),
    ]
    one, _ = backlogs(found, {"a": 1, "b": 1}, 8)
    assert one.worst == pytest.approx(HOUR * (30 * 1 - 0.02 * 30 * 4))


def test_shares_rise_in_equal_steps_from_the_first_company_to_the_last() -> None:
    assert skewed(["a", "b", "c"], 1, 10) == {"a": 2, "b": 11, "c": 20}
    assert skewed(["a"], 1, 10) == {"a": 1}
