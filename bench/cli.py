"""How long `dure --help` takes: what every use of the command line begins with."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import machine
from bench.figures import median, times
from bench.results import Result, Row

DURE = Path(sys.executable).with_name("dure")
COMMANDS: dict[str, Sequence[str]] = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "dure --help": (str(DURE), "--help"),
}


def measure(*, runs: int) -> Result:
    """The median of `runs`, one command after the other in turn, after one run of each that is not counted."""
    described = machine.described()
    each_ms = {name: [_took_ms(command)] for name, command in COMMANDS.items()}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            each_ms[name].append(_took_ms(command))
    counted = {name: found[1:] for name, found in each_ms.items()}
    floor = median(counted["python -c pass"])
    rows = [_row(name, found, floor) for name, found in counted.items()]
    return Result(measure="cli", settings={"runs": runs}, machine=described, rows=rows)


def _row(name: str, found: list[float], floor: float) -> Row:
    middle = median(found)
    return {
        "what": name,
        "x python": times(middle, floor),
        "median ms": middle,
        "least ms": min(found),
        "most ms": max(found),
    }


def _took_ms(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return (time.perf_counter() - began) * 1000
