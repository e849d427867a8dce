"""What runs, written down, so that the next supervisor can end what a killed one left behind.

A pid alone proves nothing: it is ours only if it also began when we wrote and runs the command we wrote.
"""

import json
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from deploy.local import ending
from deploy.local.trouble import CannotStart

SAME_START_S = 1.5
"""The kernel says its boot in whole seconds, and may say the next one when the clock is set by less."""

LOOK_S = 0.001

STOPS = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One process: its part's name, its pid, and what proves that the pid is still that process."""

    name: str
    pid: int
    began: float
    """Seconds after the machine's boot, which no step of the clock moves."""
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The contents of `running.json`: for the next supervisor, and for whoever waits for this one to be ready."""

    supervisor: int
    server: str
    ready: bool
    parts: tuple[Running, ...]


def running(name: str, pid: int) -> Running | None:
    """The process as it is now, or None when it is gone."""
    try:
        process = psutil.Process(pid)
        return Running(name=name, pid=pid, began=_began(process), command=_command(process))
    except psutil.NoSuchProcess:
        return None


def _began(process: psutil.Process) -> float:
    return process.create_time() - psutil.boot_time()


def _command(process: psutil.Process) -> tuple[str, ...]:
    # A child that was only just started has for a moment given up our command and not yet got its own.
    while not (command := process.cmdline()):
        time.sleep(LOOK_S)
    return tuple(command)


def write(path: Path, record: Record) -> None:
    """Replaces the file at once, so that no reader ever sees half of it."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(asdict(record), indent=1))
    part.replace(path)


def read(path: Path) -> Record | None:
    """None when there is no file, or none that we can read."""
    try:
        found = json.loads(path.read_text())
        parts = tuple(Running(**{**part, "command": tuple(part["command"])}) for part in found.pop("parts"))
        return Record(**found, parts=parts)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def end(parts: Sequence[Running]) -> list[Running]:
    """Ends those that still run, in the order given, and says which they were.

    Raises CannotStart for one that is ours and does not end.
    """
    ended: list[Running] = []
    for part in parts:
        process = _ours(part)
        if process is None:
            continue
        if not ending.end(process, STOPS):
            raise CannotStart(f"{part.name} (process {part.pid}) is left over from an earlier run and does not end")
        ended.append(part)
    return ended


def _ours(part: Running) -> psutil.Process | None:
    try:
        process = psutil.Process(part.pid)
        same = abs(_began(process) - part.began) < SAME_START_S and tuple(process.cmdline()) == part.command
    except psutil.Error:
        return None
    return process if same and ending.is_alive(process) else None


def in_order(parts: Iterable[Running], order: Sequence[str]) -> list[Running]:
    """The parts whose names begin with `order`'s, in that order, then the rest."""

    def place(part: Running) -> int:
        return next((at for at, name in enumerate(order) if part.name.startswith(name)), len(order))

    return sorted(parts, key=place)
