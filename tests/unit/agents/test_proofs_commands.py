"""Commands as they are really run: /bin/sh, with its children, its output and its end."""

import os
import select
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agents.empty import commands
from agents.empty.commands import STOPPED, Command

ENOUGH_S = 60.0


def command(script: str, *, limit_s: float = ENOUGH_S, **environment: str) -> Command:
    return Command(("/bin/sh", "-c", script), environment, limit_s=limit_s)


def is_gone(file: Path) -> bool:
    """Whether the process whose number is in the file ends; a kill is not heeded in the same instant."""
    try:
        handle = os.pidfd_open(int(file.read_text()))
    except ProcessLookupError:
        return True
    ready, _, _ = select.select([handle], [], [], ENOUGH_S)
    os.close(handle)
    return bool(ready)


@pytest.mark.parametrize(
    ("script", "want"),
    [
        pytest.param("exit 0", None, id="success"),
        pytest.param("echo loud; echo more >&2", None, id="success with words"),
        pytest.param("exit 3", "exit 3", id="failure without a word"),
        pytest.param("echo bad sums; echo on SM 3 >&2; exit 3", "exit 3: bad sums on SM 3", id="both of its outputs"),
        pytest.param("kill -SEGV $$", "killed by signal 11", id="a signal"),
        pytest.param("exec 1>&- 2>&-; exit 4", "exit 4", id="it closes its outputs"),
        pytest.param("printf '\\377\\376'; exit 1", "exit 1: \ufffd\ufffd", id="what is no text"),
        pytest.param("cat; exit 5", "exit 5", id="it has nothing to read"),
    ],
)
def test_how_a_command_ended_is_said_with_its_last_words(script: str, want: str | None) -> None:
    assert command(script).run().wrong == want


def test_only_the_end_of_what_it_says_is_kept() -> None:
    wrong = command("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; exit 1").run().wrong

    assert wrong is not None
    assert wrong.endswith("line 19999")
    assert len(wrong) < 400


def test_it_is_told_of_its_gpu_and_not_of_the_agents_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DURE_AGENT_TOKEN_FILE", "/secret")
    monkeypatch.setenv("KEPT", "yes")
    ended = command(f"env > {tmp_path}/env", DURE_GPU="GPU-a").run()
    lines = (tmp_path / "env").read_text().splitlines()

    assert ended.wrong is None
    assert {"DURE_GPU=GPU-a", "KEPT=yes"} <= set(lines)
    assert not [line for line in lines if line.startswith("DURE_AGENT_")]


def test_what_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/child; echo working; wait"
    ended = command(script, limit_s=3).run()

    assert ended.wrong == "stopped after 3 s: working"
    assert is_gone(tmp_path / "child")


def test_what_it_leaves_behind_is_killed_when_it_ends(tmp_path: Path) -> None:
    ended = command(f"sleep 600 & echo $! > {tmp_path}/child").run()

    assert ended.wrong is None
    assert ended.took_s < ENOUGH_S
    assert is_gone(tmp_path / "child")


def test_a_child_that_talks_on_keeps_nobody_waiting() -> None:
    ended = command("(while :; do echo spam; done) & exit 7").run()

    assert ended.wrong is not None
    assert ended.wrong.startswith("exit 7")


def test_a_command_that_is_not_there_says_so() -> None:
    wrong = Command(("/no/such/command",), {}, limit_s=1).run().wrong

    assert wrong is not None
    assert wrong.startswith("it cannot be started: [Errno 2] No such file or directory")


def test_it_can_be_stopped_as_it_runs_and_before(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "begun")
    running, early = command(f"echo > {tmp_path}/begun; sleep 600"), command(f"touch {tmp_path}/never")
    wrong: list[str | None] = []
    thread = threading.Thread(target=lambda: wrong.append(running.run().wrong))
    thread.start()
    (tmp_path / "begun").read_text()
    running.stop()
    thread.join(ENOUGH_S)
    early.stop()

    assert (wrong, early.run().wrong) == ([STOPPED], STOPPED)
    assert not (tmp_path / "never").exists()


def test_a_command_is_split_as_a_shell_would() -> None:
    assert commands.split("/opt/check --gpu 'one two'") == ("/opt/check", "--gpu", "one two")
    for text in ("", "  ", "'no end"):
        with pytest.raises(ValueError, match=r"empty|No closing quotation"):
            commands.split(text)


def test_an_agent_without_commands_loads_nothing_of_them() -> None:
    code = "import sys, agents.empty.proofs as p; p.Proving(); print('subprocess' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout == "False\n"


def test_what_it_started_is_known_as_its_own_and_nobody_else_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "child")
    running = command(f"sleep 600 & echo $! > {tmp_path}/child; wait")
    thread = threading.Thread(target=running.run)
    thread.start()
    child = int((tmp_path / "child").read_text())
    # That it is starting may not be over yet: nobody can tell then.
    assert running.owns(child) is not False
    assert running.owns(os.getpid()) is not True
    running.stop()
    thread.join(ENOUGH_S)

    assert running.owns(os.getpid()) is False
    assert running.owns(2**22 + 1) is None, "there is no such process"
