"""What a killed supervisor left is ended, and nothing else ever is."""

import dataclasses
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local import leftovers
from deploy.local.leftovers import Record, Running


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_process_that_is_the_one_we_wrote_is_ended(sleeper: subprocess.Popen[bytes]) -> None:
    found = leftovers.running("api", sleeper.pid)
    assert found is not None
    assert leftovers.end([found]) == [found]
    assert sleeper.wait() is not None


def test_a_process_that_was_started_this_moment_is_written_with_its_own_command(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    cmdline, looks = psutil.Process.cmdline, iter([[]])
    monkeypatch.setattr(psutil.Process, "cmdline", lambda process: next(looks, cmdline(process)))
    found = leftovers.running("api", sleeper.pid)
    assert found is not None
    assert found.command == ("sleep", "60")


def test_a_step_of_the_clock_hides_nobody(sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    found = leftovers.running("api", sleeper.pid)
    assert found is not None
    create_time, boot_time = psutil.Process.create_time, psutil.boot_time
    monkeypatch.setattr(psutil, "boot_time", lambda: boot_time() + 3600)
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: create_time(process) + 3600)
    assert leftovers.end([found]) == [found]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"began": 1.0}, id="the pid began at another time"),
        pytest.param({"command": ("sleep", "61")}, id="the pid runs another command"),
    ],
)
def test_a_pid_that_now_belongs_to_another_process_is_left_alone(
    sleeper: subprocess.Popen[bytes], changed: dict[str, object]
) -> None:
    found = leftovers.running("api", sleeper.pid)
    assert found is not None
    assert leftovers.end([dataclasses.replace(found, **changed)]) == []
    assert sleeper.poll() is None


def test_a_pid_that_is_gone_is_no_trouble() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert leftovers.running("api", gone.pid) is None
    assert leftovers.end([Running(name="api", pid=gone.pid, began=1.0, command=("true",))]) == []


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    part = Running(name="api", pid=7, began=1.5, command=("python", "-m", "api"))
    record = Record(supervisor=3, server="http://127.0.0.1:8470", ready=True, parts=(part,))
    leftovers.write(tmp_path / "running.json", record)
    assert leftovers.read(tmp_path / "running.json") == record


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"parts": [{"pid": 1}]}', '{"parts": [7]}', "null"])
def test_a_file_that_makes_no_sense_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "running.json").write_text(text)
    assert leftovers.read(tmp_path / "running.json") is None


def test_the_database_is_ended_after_those_that_use_it() -> None:
    names = ["postgres", "api", "scheduler", "agent-node-1", "agent-node-2"]
    parts = [Running(name=name, pid=1, began=1.0, command=()) for name in names]
    ordered = leftovers.in_order(parts, ["agent", "scheduler", "api", "postgres"])
    assert [part.name for part in ordered] == ["agent-node-1", "agent-node-2", "scheduler", "api", "postgres"]
