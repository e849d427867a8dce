"""Which limits of a quota leave each other no use, and which of these cannot be meant."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dure import wire
from dure.quota_clashes import clashes, contradictions

HOUR, DAY = 3600, 86_400
TERM = {"period": "term", "begins_at": "2027-03-01T00:00:00Z", "ends_at": "2027-03-11T00:00:00Z"}


def a_quota(gpus: int = 4, **more: Any) -> wire.QuotaSet:
    return wire.QuotaSet(gpus=gpus, **more)


def a_budget(hours: int, period: str = "week", **more: Any) -> dict[str, Any]:
    return {"gpu_seconds": hours * HOUR, "period": period, **more}


def a_term(hours: int) -> dict[str, Any]:
    return {"gpu_seconds": hours * HOUR, **TERM}


def found(quota: wire.QuotaSet) -> list[tuple[str, bool]]:
    return [(one.field, one.is_contradiction) for one in clashes(quota)]


@pytest.mark.parametrize(
    "quota",
    [
        pytest.param(a_quota(0), id="a closed pool"),
        pytest.param(a_quota(0, open_asks=3), id="a closed pool, and so many asks for spot"),
        pytest.param(a_quota(0, budget=a_budget(0)), id="nothing at once and nothing a week"),
        pytest.param(a_quota(0, ahead_gpu_seconds=0), id="nothing at once and nothing ahead"),
        pytest.param(a_quota(16, longest_s=3 * DAY, furthest_s=30 * DAY, budget=a_budget(500)), id="what is usual"),
        pytest.param(a_quota(ahead_gpu_seconds=0, furthest_s=30 * DAY), id="what starts later waits in the queue"),
        pytest.param(a_quota(furthest_s=0, ahead_gpu_seconds=0), id="every lease starts at once"),
        pytest.param(a_quota(longest_s=30 * DAY, furthest_s=DAY), id="longer than it may be booked ahead"),
        pytest.param(a_quota(1, ahead_gpu_seconds=2 * DAY - 1, furthest_s=DAY, longest_s=DAY), id="a second under it"),
        pytest.param(a_quota(1, budget=a_budget(168)), id="a week, which may have an hour more"),
        pytest.param(a_quota(1, budget=a_term(239)), id="an hour less than a term"),
        pytest.param(a_quota(longest_s=2 * DAY, budget=a_budget(24)), id="over the end of a week"),
        pytest.param(a_quota(longest_s=9 * DAY, budget=a_budget(24, carries_over=True)), id="what is carried over"),
        pytest.param(a_quota(longest_s=60 * DAY, budget=a_budget(167)), id="week after week"),
        pytest.param(a_quota(longest_s=DAY, budget=a_term(24)), id="all of a term"),
    ],
)
def test_limits_that_each_have_a_use_do_not_clash(quota: wire.QuotaSet) -> None:
    assert found(quota) == []


@pytest.mark.parametrize(
    ("quota", "want", "says", "numbers"),
    [
        pytest.param(
            a_quota(0, budget=a_budget(500, "month")),
            ("budget", True),
            "nothing of 500h/month can be had while gpus is 0",
            {"gpus": 0, "budget_gpu_seconds": 500 * HOUR},
            id="a closed pool and a budget",
        ),
        pytest.param(
            a_quota(0, ahead_gpu_seconds=9 * HOUR),
            ("ahead_gpu_seconds", True),
            "nothing of 9h can be had while gpus is 0",
            {"gpus": 0, "ahead_gpu_seconds": 9 * HOUR},
            id="a closed pool, and so much ahead",
        ),
        pytest.param(
            a_quota(0, longest_s=DAY),
            ("longest_s", False),
            "1d limits nothing while gpus is 0",
            {"gpus": 0, "longest_s": DAY},
            id="a closed pool and a length",
        ),
        pytest.param(
            a_quota(0, furthest_s=0),
            ("furthest_s", False),
            "0s limits nothing while gpus is 0",
            {"gpus": 0, "furthest_s": 0},
            id="a closed pool and a furthest start",
        ),
        pytest.param(
            a_quota(furthest_s=0, ahead_gpu_seconds=HOUR),
            ("ahead_gpu_seconds", True),
            "nothing of 1h can be booked while furthest is 0s",
            {"furthest_s": 0, "ahead_gpu_seconds": HOUR},
            id="so much ahead, and nothing is",
        ),
        pytest.param(
            a_quota(ahead_gpu_seconds=192 * HOUR, furthest_s=DAY, longest_s=DAY),
            ("ahead_gpu_seconds", False),
            "192h is never reached: 4 GPUs at once come to 192h",
            {"ahead_gpu_seconds": 192 * HOUR, "gpus": 4, "most_gpu_seconds": 192 * HOUR},
            id="more ahead than there can be",
        ),
        pytest.param(
            a_quota(1, ahead_gpu_seconds=60 * DAY),
            ("ahead_gpu_seconds", False),
            "1 GPU at once comes to 1440h",
            {"ahead_gpu_seconds": 60 * DAY, "gpus": 1, "most_gpu_seconds": 60 * DAY},
            id="more ahead than until the horizon",
        ),
        pytest.param(
            a_quota(budget=a_budget(0)),
            ("budget", False),
            "of 0h/week nothing can be reserved",
            {"budget_gpu_seconds": 0, "gpus": 4},
            id="a budget of nothing",
        ),
        pytest.param(
            a_quota(1, budget=a_budget(169)),
            ("budget", False),
            "169h/week is never reached: 1 GPU at once comes to at most 169h in a week",
            {"budget_gpu_seconds": 169 * HOUR, "gpus": 1, "most_gpu_seconds": 169 * HOUR},
            id="a budget of more than a week",
        ),
        pytest.param(
            a_quota(budget=a_budget(2980, "month")),
            ("budget", False),
            "come to at most 2980h in a month",
            {"budget_gpu_seconds": 2980 * HOUR, "gpus": 4, "most_gpu_seconds": 2980 * HOUR},
            id="of more than a month",
        ),
        pytest.param(
            a_quota(budget=a_term(960)),
            ("budget", False),
            "come to at most 960h in a term",
            {"budget_gpu_seconds": 960 * HOUR, "gpus": 4, "most_gpu_seconds": 960 * HOUR},
            id="of more than a term",
        ),
        pytest.param(
            a_quota(longest_s=2 * DAY + 1, budget=a_budget(24)),
            ("longest_s", False),
            "24h/week is at most 2d for one GPU",
            {"budget_gpu_seconds": DAY, "longest_s": 2 * DAY + 1},
            id="longer than two weeks' budgets",
        ),
        pytest.param(
            a_quota(longest_s=DAY + 1, budget=a_term(24)),
            ("longest_s", False),
            "24h/term is at most 1d for one GPU",
            {"budget_gpu_seconds": DAY, "longest_s": DAY + 1},
            id="longer than a term's budget",
        ),
    ],
)
def test_a_limit_that_another_leaves_no_use_is_said_with_both_numbers(
    quota: wire.QuotaSet, want: tuple[str, bool], says: str, numbers: dict[str, int]
) -> None:
    [one] = clashes(quota)
    assert ((one.field, one.is_contradiction), one.numbers) == (want, numbers)
    assert says in one.said


def test_every_limit_of_a_closed_pool_is_named() -> None:
    whole = a_quota(0, longest_s=9, furthest_s=9, ahead_gpu_seconds=9, open_asks=9, budget=a_budget(9))
    assert {field for field, _ in found(whole)} == {"longest_s", "furthest_s", "ahead_gpu_seconds", "budget"}


def test_what_cannot_be_meant_is_so_only_where_it_is_said_anew() -> None:
    was = a_quota(budget=a_budget(9))
    closed = was.model_copy(update={"gpus": 0})
    assert contradictions(was, closed) == [], "the pool is closed for a while, and the budget stays"
    assert contradictions(closed, closed) == [], "as a file says that was exported"
    assert [one.field for one in contradictions(None, closed)] == ["budget"]
    assert [one.field for one in contradictions(a_quota(0), closed)] == ["budget"]
    assert [one.field for one in contradictions(closed, a_quota(0, budget=a_budget(10)))] == ["budget"]


def test_what_is_merely_never_reached_is_never_refused() -> None:
    assert contradictions(None, a_quota(1, budget=a_budget(500), ahead_gpu_seconds=60 * DAY)) == []


budgets = st.one_of(
    st.none(),
    st.builds(a_budget, st.integers(0, 3000), st.sampled_from(["week", "month"]), carries_over=st.booleans()),
    st.builds(a_term, st.integers(0, 3000)),
)
limits = st.builds(
    a_quota,
    st.integers(0, 16),
    longest_s=st.none() | st.integers(1, 60 * DAY),
    furthest_s=st.none() | st.integers(0, 60 * DAY),
    ahead_gpu_seconds=st.none() | st.integers(0, 10**9),
    open_asks=st.none() | st.integers(1, 9),
    budget=budgets,
)


@given(limits)
def test_each_clash_is_of_a_limit_that_was_said_and_goes_away_without_it(quota: wire.QuotaSet) -> None:
    for one in clashes(quota):
        assert getattr(quota, one.field) is not None
        assert (one.field, one.is_contradiction) not in found(quota.model_copy(update={one.field: None}))
        assert len(one.numbers) >= 2
