"""What is done again and again keeps its pace, however long it takes."""

from types import SimpleNamespace

import pytest

from api import repeating
from api.repeating import Repeating


@pytest.mark.parametrize(("took_s", "pause_s"), [(0.0, 2.0), (1.5, 0.5), (5.0, 0.0)])
def test_the_time_that_the_work_took_is_part_of_its_period(
    took_s: float, pause_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, pauses = [100.0], []

    def work() -> None:
        at[0] += took_s

    def wait(pause: float) -> bool:
        pauses.append(pause)
        return len(pauses) == 2

    monkeypatch.setattr(repeating, "time", SimpleNamespace(monotonic=lambda: at[0]))
    again = Repeating("a test", work, every_s=2.0)
    monkeypatch.setattr(again, "_stop", SimpleNamespace(wait=wait, set=lambda: None))
    with again:
        again._thread.join()
    assert pauses == [pause_s, pause_s]
