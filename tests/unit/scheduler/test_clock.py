"""The time authority follows PostgreSQL's clock, not its steps."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from scheduler.clock import SLEW_S, DatabaseClock


@dataclass
class Wall:
    """A database whose clock the test sets, ahead of the monotonic one by `ahead_s`."""

    ahead_s: float = 1_800_000_000.0

    def clock(self, monotonic: Callable[[], float]) -> tuple[float, float, float]:
        before = monotonic()
        return before, before + self.ahead_s, before


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.mark.parametrize(
    ("moved_s", "want_followed_s", "want_stepped"),
    [
        pytest.param(0.01, 0.01, False, id="a small drift is followed whole"),
        pytest.param(3.0, SLEW_S, False, id="a small jump forward ends no lease early"),
        pytest.param(-3.0, -SLEW_S, False, id="a small jump back is slewed too"),
        pytest.param(6.0, 0.0, True, id="a step forward is not followed, and said"),
        pytest.param(-3600.0, 0.0, True, id="a step back is not followed, and said"),
    ],
)
def test_the_clock_when_postgresql_s_moves(
    wall: Wall, moved_s: float, want_followed_s: float, want_stepped: bool
) -> None:
    clock = DatabaseClock(wall)  # type: ignore[arg-type]
    offset = clock._offset
    wall.ahead_s += moved_s
    clock.resync()
    assert clock._offset - offset == pytest.approx(want_followed_s, abs=1e-6)
    assert clock.stepped is want_stepped


def test_a_clock_that_stepped_back_again_is_trusted_again(wall: Wall) -> None:
    clock = DatabaseClock(wall)  # type: ignore[arg-type]
    wall.ahead_s += 100
    clock.resync()
    wall.ahead_s -= 100
    clock.resync()
    assert not clock.stepped
