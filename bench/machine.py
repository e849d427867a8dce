"""What a figure was measured on: without it the figure says nothing."""

import os
import platform
import subprocess
from pathlib import Path

import psutil

TREE = Path(__file__).resolve().parents[1]
MADE = ("bench/results", "docs/performance.md", "docs/performance")
"""What the bench writes into the tree."""


def described() -> dict[str, str | int | float]:
    """Cores we may run on, memory, processor, Python, and the load of the last minute before we add ours."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": load(),
    }


def load() -> float:
    """Of the last minute, with ours in it."""
    return round(os.getloadavg()[0], 2)


def commit() -> str:
    """The short commit of this tree, with a plus when the tree differs from it, what was measured left aside."""
    found = _git("rev-parse", "--short", "HEAD")
    differs = _git("status", "--porcelain", "--", ".", *(f":!{path}" for path in MADE))
    return f"{found}+" if found and differs else found or "unknown"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(TREE), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
