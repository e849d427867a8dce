"""How long something that was not taken waits, and when nobody is waited for any more."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.webhooks.retries import DEAD_AFTER_S, PAUSE_S, RETRY_S, pause_s, retry_s, verdict

CHANCE = st.floats(0, 1, exclude_max=True)


@given(CHANCE, st.integers(1, len(RETRY_S)))
def test_a_retry_comes_about_when_its_step_says_and_not_for_all_at_once(chance: float, attempts: int) -> None:
    step = RETRY_S[attempts - 1]
    assert 0.8 * step <= (retry_s(attempts, chance) or 0) <= 1.2 * step


def test_the_steps_grow_over_hours_and_end_after_three_days() -> None:
    assert all(one < next_one for one, next_one in itertools.pairwise(RETRY_S))
    assert DEAD_AFTER_S < sum(RETRY_S) < DEAD_AFTER_S * 1.1
    assert retry_s(len(RETRY_S), 0.5) == RETRY_S[-1]
    assert retry_s(len(RETRY_S) + 1, 0.5) is None


@given(CHANCE, st.integers(1, 10_000))
def test_an_address_that_fails_is_left_alone_for_seconds_never_for_more_than_about_a_minute(
    chance: float, failures: int
) -> None:
    assert 0.8 * PAUSE_S[0] <= pause_s(failures, chance) <= 1.2 * PAUSE_S[-1]


@pytest.mark.parametrize(
    ("status", "for_s", "cause"),
    [
        pytest.param(500, 0, None, id="it has just failed"),
        pytest.param(None, DEAD_AFTER_S - 1, None, id="it may still come back"),
        pytest.param(None, DEAD_AFTER_S, "dead", id="it took nothing for days"),
        pytest.param(410, 0, "gone", id="it says that it is gone"),
    ],
)
def test_an_address_is_given_up_when_it_says_so_or_took_nothing_for_days(
    status: int | None, for_s: int, cause: str | None
) -> None:
    found = verdict(status=status, failing_since=1000, now=1000.0 + for_s)
    assert (found and found.cause) == cause
