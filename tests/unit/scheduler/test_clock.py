"""The time authority follows PostgreSQL's clock, not its steps."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from scheduler.clock import SLEW_S, DatabaseClock


@dataclass
class Wall:
    """A database whose clock the test sets, ahead of the monotonic one by `ahead_s`."""

    ahead_s: float = 1_800_000_000.0
    asking_s: float = 0.0
    answering_s: float = 0.0
    """How long the question was on its way, and the answer."""

    def clock(self, monotonic: Callable[[], float]) -> tuple[float, float, float]:
        read = monotonic()
        return read - self.asking_s, read + self.ahead_s, read + self.answering_s


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


@pytest.mark.parametrize(("asking_s", "answering_s"), [(0.08, 0.0), (0.0, 0.08), (0.04, 0.04)])
def test_a_busy_machine_never_puts_the_clock_forward(wall: Wall, asking_s: float, answering_s: float) -> None:
    wall.asking_s, wall.answering_s = asking_s, answering_s
    clock = DatabaseClock(wall)  # type: ignore[arg-type]
    assert clock._offset <= wall.ahead_s
    wall.asking_s = wall.answering_s = 0.0
    clock.resync()
    assert clock._offset == pytest.approx(wall.ahead_s, abs=max(0.0, answering_s - SLEW_S) + 1e-6)
    wall.asking_s, wall.answering_s = asking_s, answering_s
    clock.resync()
    assert clock._offset <= wall.ahead_s
    assert clock.step_s == pytest.approx(0, abs=1e-6)
