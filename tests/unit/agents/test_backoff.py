import random
from collections.abc import Sequence

import pytest

from agents.reporting.backoff import Backoff, retry_after_s


def _backoff(interval_s: float = 10) -> Backoff:
    return Backoff(interval_s, chance=random.Random(1))


def test_regular_reports_are_spread_around_the_interval() -> None:
    backoff = _backoff()
    found = [backoff.succeeded() for _ in range(200)]

    assert 9 <= min(found) < 9.5
    assert 10.5 < max(found) <= 11


@pytest.mark.parametrize(
    ("interval_s", "longest_s"),
    [
        pytest.param(10, [1, 2, 4, 8, 10, 10], id="up to the interval"),
        pytest.param(300, [1, 2, 4, 8, 16, 32, 60, 60], id="up to a minute"),
        pytest.param(0.5, [0.5, 0.5], id="where the interval is less than a second"),
    ],
)
def test_failures_wait_longer_and_longer(interval_s: float, longest_s: Sequence[float]) -> None:
    backoff = _backoff(interval_s)
    found = [backoff.failed() for _ in range(40)]

    assert all(longest / 2 <= wait <= longest for wait, longest in zip(found, longest_s, strict=False))
    assert all(longest_s[-1] / 2 <= wait <= longest_s[-1] for wait in found[len(longest_s) :])


def test_a_success_starts_it_again() -> None:
    backoff = _backoff()
    for _ in range(10):
        backoff.failed()
    backoff.succeeded()

    assert backoff.failed() <= 1


@pytest.mark.parametrize(
    ("asked_s", "least", "most"),
    [
        pytest.param(None, 9, 11, id="where it asks for nothing"),
        pytest.param(2.0, 9, 11, id="less than the interval"),
        pytest.param(60.0, 60, 66, id="no sooner than asked, and spread"),
        pytest.param(1e9, 600, 660, id="ten minutes at most"),
        pytest.param(-5.0, 9, 11, id="nonsense"),
    ],
)
def test_a_server_may_ask_for_fewer_regular_reports(asked_s: float | None, least: float, most: float) -> None:
    backoff = _backoff()
    found = [backoff.succeeded(asked_s) for _ in range(50)]

    assert least <= min(found) <= max(found) <= most


@pytest.mark.parametrize(
    ("wanted_s", "least", "most"),
    [
        pytest.param(25.0, 25, 25, id="what the server asks for is kept to"),
        pytest.param(0.0, 0.5, 1, id="never sooner than our own"),
        pytest.param(1e9, 600, 600, id="ten minutes at most"),
        pytest.param(None, 0.5, 1, id="where it asks for nothing"),
    ],
)
def test_retry_after(wanted_s: float | None, least: float, most: float) -> None:
    assert least <= _backoff().failed(wanted_s) <= most


@pytest.mark.parametrize(
    ("interval_s", "want_s"),
    [pytest.param(10, 60, id="10 s"), pytest.param(0.5, 3, id="0.5 s"), pytest.param(300, 300, id="300 s")],
)
def test_where_only_a_person_can_help_it_tries_slowly(interval_s: float, want_s: float) -> None:
    assert _backoff(interval_s).refused() == pytest.approx(want_s, rel=0.1)


@pytest.mark.parametrize(
    ("header", "want"),
    [
        pytest.param(None, None, id="none"),
        pytest.param(" 7 ", 7.0, id="seconds"),
        pytest.param("Tue, 24 Nov 2026 01:00:30 GMT", 30.0, id="a date"),
        pytest.param("Tue, 24 Nov 2026 00:00:00 GMT", 0.0, id="a date that is over"),
        pytest.param("soon", None, id="nonsense"),
        pytest.param("-5", None, id="a negative number"),
        pytest.param("", None, id="nothing"),
        pytest.param("²", None, id="a digit that is no number"),
        pytest.param("Mon, 01 Jan 0001 00:00:00 +2359", 0.0, id="a date before all dates"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 -2359", 251_606_905_139.0, id="a date after all dates"),
        pytest.param("Mon, 1 Jan 99999999999999999999 00:00:00 GMT", None, id="a year that is none"),
        pytest.param("Mon, 1 Jan 2024 00:00:00 +99999999999999999", None, id="an offset that is none"),
        pytest.param("Mon, 01 Jan 2024 99:00:00 GMT", None, id="an hour that is none"),
    ],
)
def test_reading_retry_after(header: str | None, want: float | None) -> None:
    assert retry_after_s(header, now=1_795_482_000.0) == want
