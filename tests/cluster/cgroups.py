"""A part of each cgroup v1 hierarchy for a real node, so that what it starts is under it and goes with it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests import servers

ROOT = Path("/sys/fs/cgroup")
WANTED = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
GONE_S = 10.0
LOOK_S = 0.05


def why_not() -> str | None:
    """What keeps us from having groups here; None for nothing."""
    missing = [name for name in WANTED if not (ROOT / name / "cgroup.procs").exists()]
    if missing:
        return f"cgroup v1 is not mounted for {', '.join(missing)}, and a kubelet in cgroup v2 was never tried here"
    if not all(os.access(ROOT / name, os.W_OK) for name in WANTED) or os.geteuid() != 0:
        return "only root may make cgroups"
    return None


@contextmanager
def group(name: str) -> Iterator[str]:
    """The group's path in every hierarchy, such as `/NAME`; whatever is in it must have ended before it is left."""
    sweep()
    for folder in _hierarchies():
        (folder / name).mkdir(exist_ok=True)
    for file in ("cpuset.cpus", "cpuset.mems"):
        (ROOT / "cpuset" / name / file).write_text((ROOT / "cpuset" / file).read_text())
    try:
        yield f"/{name}"
    finally:
        remove(name)


def remove(name: str) -> None:
    """Waits for the kernel to be done with what was killed in it. Raises OSError when it is not."""
    end = time.monotonic() + GONE_S
    # In cgroup v2 too, which may be beside: runc goes there by itself.
    for folder in ROOT.glob(f"*/{name}"):
        while folder.exists():
            try:
                _remove_tree(folder)
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(LOOK_S)


def _hierarchies() -> list[Path]:
    """Every one of version 1 that is mounted: the kubelet looks into those too that it does not need."""
    found = [path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink()]
    return [path for path in found if (path / "release_agent").exists()]


def _remove_tree(folder: Path) -> None:
    # The files in it cannot be removed, and need not be.
    for inner, _, _ in os.walk(folder, topdown=False):
        Path(inner).rmdir()


def sweep() -> None:
    """Removes the groups of runs that were killed: those are named after their folders, which are gone."""
    for name in {left.name for left in ROOT.glob(f"*/{servers.PREFIX}*")}:
        if not (Path("/tmp") / name).exists():
            with suppress(OSError):
                remove(name)
