"""Daemons end with the `with` that runs them, and with the process that runs it, whatever they started."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.slurm.enclosure import daemon, enclosed

PATIENCE_S = 60.0
RUNS = """
import os, sys
from pathlib import Path
from bench.slurm.enclosure import daemon
folder = Path(sys.argv[1])
with daemon("fake", ("sh", str(folder / "fake.sh")), environ=os.environ, folder=folder, log=folder / "log"):
    sys.stdin.read()
"""


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    done = subprocess.run(enclosed(["true"], as_root=os.geteuid() == 0), capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine gives us no PID namespace: {done.stderr}")


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """What the command lines of all processes of a fake daemon have in them: one child, and one given away."""
    found = f"{tmp_path}/fake"
    (tmp_path / "fake.sh").write_text(
        f"sh -c 'read x < {found}.fifo' &\n(setsid sh -c 'read x < {found}.fifo' &)\ntouch {found}.up\nread x < {found}.fifo\n"
    )
    os.mkfifo(f"{found}.fifo")
    return found


def alive(mark: str) -> list[int]:
    """Those that are only waited for do not live."""
    found = psutil.process_iter(["cmdline", "status"])
    return [
        one.pid
        for one in found
        if one.info["status"] != psutil.STATUS_ZOMBIE and any(mark in word for word in one.info["cmdline"] or ())
    ]


def until(true, message: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, message
        os.sched_yield()


def test_all_that_a_daemon_started_is_gone_when_the_with_is_left(tmp_path: Path, mark: str) -> None:
    command = ("sh", f"{mark}.sh")
    with daemon("fake", command, environ=os.environ, folder=tmp_path, log=tmp_path / "log"):
        until(Path(f"{mark}.up").exists, "the daemon did not start")
        until(lambda: len(alive(mark)) >= 3, "not all of it runs")
    assert alive(mark) == []


def test_a_daemon_that_ended_by_itself_is_no_trouble(tmp_path: Path) -> None:
    with daemon("fake", ("sh", "-c", "exit 3"), environ=os.environ, folder=tmp_path, log=tmp_path / "log") as child:
        until(lambda: child.exited() is not None, "the daemon did not end")
    assert child.exited() == 3


def test_a_killed_bench_leaves_nothing_behind(tmp_path: Path, mark: str) -> None:
    command = (sys.executable, "-c", RUNS, str(tmp_path))
    bench = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    until(Path(f"{mark}.up").exists, "the daemon did not start")
    bench.kill()
    bench.communicate()
    until(lambda: alive(mark) == [], "something outlived the bench")
