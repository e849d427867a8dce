"""Amounts and budgets as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dure import quota_words, wire
from dure.wire.values import MAX_GPU_SECONDS

AMOUNTS = st.integers(0, MAX_GPU_SECONDS)


@pytest.mark.parametrize(
    ("text", "want"),
    [("500h", 1_800_000), ("0h", 0), ("0.5h", 1800), ("90s", 90), (" 2H ", 7200), ("0.25h", 900), ("1.0s", 1)],
)
def test_gpu_hours_are_read_to_the_gpu_second(text: str, want: int) -> None:
    assert quota_words.gpu_seconds(text) == want


@pytest.mark.parametrize(
    "text", ["", "h", "500", "500d", "-1h", "1e3h", "0.0001h", "0.5s", "nanh", "infh", "1_0h", "١h", "1 0h", "x" * 500]
)
def test_what_is_no_amount_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no number of GPU-hours; for example 500h") as error:
        quota_words.gpu_seconds(text)
    assert len(str(error.value)) < 120


def test_more_than_there_may_be_is_told_so() -> None:
    with pytest.raises(ValueError, match=r"is more than \d+[hs], which is the most"):
        quota_words.gpu_seconds("9" * 20 + "h")


@given(AMOUNTS)
def test_what_is_written_is_read_as_the_same(amount: int) -> None:
    assert quota_words.gpu_seconds(quota_words.show_gpu_seconds(amount)) == amount


@given(AMOUNTS, st.sampled_from(["week", "month"]))
def test_so_is_a_budget(amount: int, period: str) -> None:
    said = quota_words.show_budget(wire.Budget.model_validate({"gpu_seconds": amount, "period": period}))
    assert quota_words.budget(said) == (amount, period)


@pytest.mark.parametrize("text", ["2000h", "2000h/", "2000h/day", "/month", "2000h/month/2", "2000h per month"])
def test_what_is_no_budget_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="for example"):
        quota_words.budget(text)


def test_what_is_not_limited_is_not_said() -> None:
    assert quota_words.limits(wire.QuotaSet(gpus=4)) == []
    found = wire.QuotaSet(gpus=4, longest_s=259_200, furthest_s=0, ahead_gpu_seconds=90, open_asks=3)
    assert quota_words.limits(found) == [("longest", "3d"), ("furthest", "0s"), ("ahead", "90s"), ("open_asks", "3")]
