"""A child that is started, dies, is started again and is stopped."""

import subprocess
from pathlib import Path

import pytest

from deploy.local.children import LONGEST_PAUSE_S, STEADY_S, Child, Watch


def a_child(folder: Path, script: str, *, stop_s: float = 15.0) -> Child:
    log = folder / "child.log"
    return Child("child", ("sh", "-c", script), environ={"WORD": "hello"}, folder=folder, log=log, stop_s=stop_s)


def wait_for(log: Path, text: str) -> None:
    subprocess.run(["sh", "-c", f"until grep -q {text} {log} 2>/dev/null; do sleep 0.02; done"], check=True, timeout=60)


def test_what_a_child_prints_goes_to_its_log(tmp_path: Path) -> None:
    child = a_child(tmp_path, "echo $WORD; echo trouble >&2")
    child.launch()
    wait_for(child.log, "trouble")
    child.stop()
    assert child.log.read_text() == "hello\ntrouble\n"


def test_a_child_that_was_never_started_has_no_pid_and_stops_at_once(tmp_path: Path) -> None:
    child = a_child(tmp_path, "true")
    child.stop()
    assert (child.pid, child.exited()) == (None, None)


def test_a_child_ends_when_asked(tmp_path: Path) -> None:
    child = a_child(tmp_path, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done")
    child.launch()
    wait_for(child.log, "up")
    assert child.pid is not None
    child.stop()
    assert (child.pid, child.exited()) == (None, 0)
    assert "bye" in child.log.read_text()


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = a_child(tmp_path, "trap '' TERM; echo up; while :; do sleep 0.02; done", stop_s=0.1)
    child.launch()
    wait_for(child.log, "up")
    child.stop()
    assert child.exited() == -9


def test_a_child_is_asked_to_stop_only_once(tmp_path: Path) -> None:
    child = a_child(tmp_path, "trap 'echo asked' TERM; echo up; until grep -q asked child.log; do sleep 0.02; done")
    child.launch()
    wait_for(child.log, "up")
    child.ask_to_stop()
    child.ask_to_stop()
    child.stop()
    assert child.log.read_text().count("asked") == 1


@pytest.mark.parametrize(
    ("lives", "want"),
    [
        pytest.param([0.1], [0.5], id="the first death is forgiven quickly"),
        pytest.param([0.1] * 4, [0.5, 1.0, 2.0, 4.0], id="each pause is twice the one before"),
        pytest.param(
            [0.1] * 8, [0.5, 1.0, 2.0, 4.0, 8.0] + [LONGEST_PAUSE_S] * 3, id="no pause is longer than the longest"
        ),
        pytest.param([0.1, 0.1, STEADY_S + 1], [0.5, 1.0, 0.5], id="a steady life begins the pauses anew"),
    ],
)
def test_the_pause_before_the_next_start(tmp_path: Path, lives: list[float], want: list[float]) -> None:
    watch = Watch(part=a_child(tmp_path, "true"), began=0.0)
    now = 0.0
    pauses: list[float] = []
    for life in lives:
        pause = watch.died(now + life)
        assert not watch.due(now + life)
        now += life + pause
        assert watch.due(now)
        watch.started(now)
        assert not watch.due(now + 100)
        pauses.append(pause)
    assert pauses == want
