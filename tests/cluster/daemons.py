"""Daemons of a test cluster: each dies with whoever started it, however that ends."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from deploy.local.children import Child
from deploy.local.postgres import tail

BOUND = ("setpriv", "--pdeathsig", "KILL", "--")
"""The kernel's watch is over the thread that starts a daemon: it has to be one that stays, such as the main thread."""

LOOK_S = 0.05


class NotReady(Exception):
    """A part of the cluster did not come up; the text has its last words."""


def start(name: str, command: Sequence[str | Path], *, folder: Path, environ: Mapping[str, str] | None = None) -> Child:
    """Runs in `folder`, which is also its home, and logs to `NAME.log` there."""
    found = {"PATH": os.environ["PATH"], "HOME": str(folder), **(environ or {})}
    child = Child(name, (*BOUND, *map(str, command)), environ=found, folder=folder, log=folder / f"{name}.log")
    child.launch()
    return child


def kill(child: Child) -> None:
    """At once: nothing that a test cluster would save is worth the wait."""
    if (pid := child.pid) is not None:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    child.stop()


def until(ready: Callable[[], bool], parts: Iterable[Child], *, within_s: float, what: str) -> None:
    """Raises NotReady when a part ends before, or the time is up."""
    parts = list(parts)
    end = time.monotonic() + within_s
    while not ready():
        for child in parts:
            if child.exited() is not None:
                raise NotReady(f"{child.name} ended while {what} was waited for:\n{tail(child.log)}")
        if time.monotonic() > end:
            logs = "\n".join(f"{child.name}:\n{tail(child.log, 5)}" for child in parts)
            raise NotReady(f"{what} took more than {within_s:.0f} s:\n{logs}")
        time.sleep(LOOK_S)
