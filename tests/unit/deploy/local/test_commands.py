"""Commands that run once."""

import threading
from pathlib import Path
from threading import Event

import pytest

from deploy.local import commands
from deploy.local.commands import Ended
from deploy.local.trouble import CannotStart


def run(script: str, folder: Path, ending: Event | None = None) -> str:
    return commands.run(["sh", "-c", script], environ={}, folder=folder, ending=ending or Event())


def test_what_it_prints_is_the_answer(tmp_path: Path) -> None:
    assert run("echo hello; echo noise >&2", tmp_path) == "hello\n"


def test_a_failure_carries_the_complaint(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"(?s)`sh -c .*` failed with 3: no such thing"):
        run("echo no such thing >&2; exit 3", tmp_path)


def test_it_is_given_up_when_the_supervisor_is_told_to_end(tmp_path: Path) -> None:
    ending = Event()
    threading.Timer(0.1, ending.set).start()
    with pytest.raises(Ended):
        run("exec sleep 60", tmp_path, ending)
