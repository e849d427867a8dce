"""A folder has one owner."""

import os
from pathlib import Path

import pytest

from deploy.local.locks import Lock
from deploy.local.trouble import CannotStart


def test_the_second_owner_is_told_the_first_ones_pid(tmp_path: Path) -> None:
    first = Lock(tmp_path / "lock", held="process {pid} has it").take()
    with pytest.raises(CannotStart, match=f"process {os.getpid()} has it"):
        Lock(tmp_path / "lock", held="process {pid} has it").take()
    first.release()


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    Lock(tmp_path / "lock", held="").take().release()
    Lock(tmp_path / "lock", held="").take().release()


def test_releasing_twice_is_harmless(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock", held="").take()
    lock.release()
    lock.release()
