"""Work that is waited for no longer than it may take."""

from concurrent.futures import Future
from threading import Event

import pytest

from dure import patience
from dure.patience import Late, within


def test_what_the_work_gives_or_raises_is_its_own() -> None:
    def fails() -> int:
        raise TimeoutError("the socket's")

    assert within(60, lambda: 7) == 7
    with pytest.raises(TimeoutError, match="the socket's"):
        within(60, fails)


def test_what_takes_longer_is_late_and_left_to_itself() -> None:
    goes_on = Event()
    with pytest.raises(Late, match=r"it took longer than 0.05 s and was given up"):
        within(0.05, goes_on.wait)
    goes_on.set()


def test_what_ends_as_it_is_given_up_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class EndsThen(Future[int]):
        def result(self, timeout: float | None = None) -> int:
            found = super().result()
            if timeout is not None:
                raise TimeoutError
            return found

    monkeypatch.setattr(patience, "Future", EndsThen)
    assert within(0.05, lambda: 7) == 7
