import pytest

from agents.days import Days

H = 3600
SPRING = Days((0, 24 * H, 47 * H, 71 * H))
"""The second day loses an hour."""


@pytest.mark.parametrize(
    ("at", "begin", "end"),
    [
        pytest.param(0, 0, 24 * H, id="a midnight is of the day that begins"),
        pytest.param(24 * H - 0.5, 0, 24 * H, id="the last half second is of the day that ends"),
        pytest.param(30 * H, 24 * H, 47 * H, id="a day that the clocks make shorter"),
        pytest.param(71 * H, 71 * H, 95 * H, id="beyond what is known, 24 hours"),
        pytest.param(71 * H + 50 * H, 119 * H, 143 * H, id="two days beyond"),
        pytest.param(-1, -24 * H, 0, id="before what is known"),
    ],
)
def test_the_day_of_an_instant(at: float, begin: int, end: int) -> None:
    assert (SPRING.begin(at), SPRING.end(at)) == (begin, end)


def test_without_any_midnight_days_are_those_of_utc() -> None:
    assert (Days().begin(90_000), Days().end(90_000)) == (86_400, 172_800)
