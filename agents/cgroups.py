"""Who a process is, out of the host's /proc: its name, when it began, and which container of which pod it is in.

The kernel's text is parsed by pure functions; `look_up` alone reads. Both versions of cgroups, the cgroupfs and systemd
drivers, and the names that containerd, CRI-O, Docker and Podman give are understood.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
NAME_CHARACTERS = 15
"""The kernel keeps so much of a process's name (TASK_COMM_LEN)."""

MOST_OF_COMMAND = 4096
"""So much of a command line is read: it is as long as whoever started the process likes."""

_CONTAINER = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_POD = re.compile(r"[/-]pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=$|[/.:])")
"""A pod's uid; that of a static pod is a hash without dashes."""

_STARTED = 22 - 3
"""`starttime` among what follows the name in /proc/PID/stat, whose first is field 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """What can be known of a process; all None once it is gone. `started_at` is Unix time by the node's clock."""

    name: str | None = None
    started_at: float | None = None
    cgroup: str | None = None
    container: str | None = None
    pod: str | None = None


class Names:
    """Names of processes, also where the kernel has cut them short."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._short = frozenset(name[:NAME_CHARACTERS] for name in self._names if len(name) > NAME_CHARACTERS)

    def has(self, name: str) -> bool:
        return name in self._names or name in self._short


def look_up(pid: int, *, proc: Path = PROC, booted_at: float | None = None) -> Who:
    """What /proc says of the process; `booted_at` is what `booted_at` answered."""
    folder = proc / str(pid)
    cgroup = cgroup_of(_text(folder / "cgroup"))
    ticks = start_ticks(_text(folder / "stat"))
    comm = _text(folder / "comm")
    command = _text(folder / "cmdline", MOST_OF_COMMAND) if _may_be_cut(comm) else ""
    return Who(
        name=full_name(comm, command),
        started_at=None if ticks is None or booted_at is None else booted_at + ticks / os.sysconf("SC_CLK_TCK"),
        cgroup=cgroup,
        container=None if cgroup is None else container_of(cgroup),
        pod=None if cgroup is None else pod_of(cgroup),
    )


def booted_at(proc: Path = PROC) -> float | None:
    """Unix time at which the kernel began, by the node's clock; None where /proc does not say."""
    for line in _text(proc / "stat").splitlines():
        name, _, value = line.partition(" ")
        if name == "btime" and value.strip().isdigit():
            return float(value)
    return None


def cgroup_of(text: str) -> str | None:
    """The path in /proc/PID/cgroup that says most: of version 2 its one line, of version 1 the longest of all controllers."""
    paths = [line.split(":", 2)[2] for line in text.splitlines() if line.count(":") >= 2]
    return max(
        paths, key=lambda path: (pod_of(path) is not None, container_of(path) is not None, len(path)), default=None
    )


def container_of(cgroup: str) -> str | None:
    """The id of the innermost container."""
    found = _CONTAINER.findall(cgroup)
    return found[-1] if found else None


def pod_of(cgroup: str) -> str | None:
    """The uid of the pod, as the API has it: systemd does not allow its dashes, so the kubelet writes underscores."""
    found = _POD.findall(cgroup)
    return found[-1].replace("_", "-") if found else None


def start_ticks(text: str) -> int | None:
    """Clock ticks from the kernel's start to the process's. A name may hold spaces and parentheses, so what follows the last counts."""
    rest = text.rpartition(")")[2].split()
    return int(rest[_STARTED]) if len(rest) > _STARTED and rest[_STARTED].isdigit() else None


def full_name(comm: str, cmdline: str) -> str | None:
    """The kernel's name, or the program's own where the kernel has cut that short."""
    name = comm.rstrip("\n")
    program = cmdline.split("\0", 1)[0].rsplit("/", 1)[-1]
    longer = _may_be_cut(comm) and program.startswith(name)
    return (program if longer else name) or None


def _may_be_cut(comm: str) -> bool:
    # In bytes, as the kernel counts.
    return len(comm.rstrip("\n").encode()) >= NAME_CHARACTERS


def _text(path: Path, most: int = -1) -> str:
    """So many bytes of it at most; empty once the process is gone, or where it may not be read."""
    try:
        with path.open("rb") as file:
            return file.read(most).decode(errors="replace")
    except OSError:
        return ""
