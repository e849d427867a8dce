"""Work that is waited for no longer than it may take."""

from threading import Event

import pytest

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
