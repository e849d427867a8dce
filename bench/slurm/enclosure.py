"""Daemons that cannot outlive us: each is the first process of a PID namespace, and the kernel ends all in it with it.

A daemon's children, such as the jobs of a slurmd, are given away to that first process and cannot leave either. When
the bench itself is killed, the kernel kills `unshare`, and with it the daemon.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from deploy.local.children import Child

STOP_S = 20.0
"""A slurmd with hundreds of jobs takes a moment to be taken apart."""


def enclosed(command: Sequence[str], *, as_root: bool) -> tuple[str, ...]:
    """The command that runs `command` so; who is not root needs a user namespace as well, in which he is himself."""
    bound = ("setpriv", "--pdeathsig", "KILL")
    own = () if as_root else ("--user", "--map-current-user")
    return (*bound, "unshare", *own, "--pid", "--fork", "--mount-proc", "--kill-child=KILL", "--", *command)


@contextmanager
def daemon(
    name: str, command: Sequence[str], *, environ: Mapping[str, str], folder: Path, log: Path
) -> Iterator[Child]:
    """Runs it until the `with` is left; then it and all it started are gone.

    To be entered by a thread that lives until then: the kernel's watch is over the thread.
    """
    whole = enclosed(command, as_root=os.geteuid() == 0)
    child = Child(name, whole, environ=environ, folder=folder, log=log, stop_s=STOP_S)
    try:
        child.launch()
        yield child
    finally:
        _end(child)


def busy_s(child: Child) -> float:
    """Processor seconds that the daemon itself has used; 0 when it has ended."""
    times = [first.cpu_times() for first in psutil.Process(child.pid).children()] if child.pid else []
    return sum(found.user + found.system for found in times)


def _end(child: Child) -> None:
    """Kills the first process of the namespace by its id; `unshare` sees it go and ends. Nothing in it is worth keeping."""
    if child.pid:
        for first in psutil.Process(child.pid).children():
            first.kill()
    child.stop()
