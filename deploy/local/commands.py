"""Commands that run once and end, such as migrations and the CLI, given up at once when the supervisor is told to end."""

import contextlib
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event

from deploy.local.trouble import CannotStart

LONGEST_S = 300.0
POLL_S = 0.05

SHOWN_LINES = 12
"""Of a complaint: the end of it says what is wrong."""


class Ended(Exception):
    """The supervisor was told to end while it was starting."""


def run(command: Sequence[str], *, environ: Mapping[str, str], folder: Path, ending: Event) -> str:
    """What the command prints. Raises CannotStart with its complaint, and Ended when `ending` is set meanwhile."""
    with TemporaryFile("w+") as printed, TemporaryFile("w+") as complained:
        process = subprocess.Popen(
            command,
            env=environ,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=complained,
            start_new_session=True,
        )
        try:
            status = _wait(process, ending)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        printed.seek(0)
        complained.seek(0)
        if status:
            what = "\n".join((complained.read() or printed.read()).strip().splitlines()[-SHOWN_LINES:])
            raise CannotStart(f"`{_shown(command)}` failed with {status}: {what}")
        return printed.read()


def _wait(process: subprocess.Popen[bytes], ending: Event) -> int:
    deadline = time.monotonic() + LONGEST_S
    while (status := process.poll()) is None:
        if ending.wait(POLL_S):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            raise Ended
        if time.monotonic() > deadline:
            return -1
    return status


def _shown(command: Sequence[str]) -> str:
    return " ".join([Path(command[0]).name, *command[1:]])
