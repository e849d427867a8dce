"""`make demo`, cut short: it tells its story, checks it, and leaves nothing running."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

TREE = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(900)
def test_the_demo_s_first_seconds_are_played_and_checked() -> None:
    environ = {**os.environ, "DURE_DATABASE_URL": "postgresql://the-user-s-own@127.0.0.1:1/not-the-demo-s"}
    command = [sys.executable, "-m", "deploy.demo", "--until", "1"]
    done = subprocess.run(command, cwd=TREE, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for said in ("GRANTED now", "PROMISED for", "REFUSED (never_fits)", "RELEASES", "on its second", "dure_gpus{"):
        assert said in done.stdout
    assert "No promise was broken, no GPU was in two leases" in done.stdout
    left = [found for found in psutil.process_iter() if "/tmp/dure-demo-" in " ".join(_arguments(found))]
    assert [found for found in left if not _is_of_another(found)] == []


def _is_of_another(process: psutil.Process) -> bool:
    """Of a demo that another test plays at this moment."""
    try:
        return any("deploy.demo" in _arguments(above) for above in process.parents())
    except psutil.Error:
        return True


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
