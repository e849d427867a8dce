"""The node agent on a node of eight GPUs: what it keeps in memory, what a sample costs, and whether anything grows.

The GPUs are a C library with NVML's ABI, so the real ctypes path is measured without the hardware's own time. Memory is
against a bare interpreter with the modules that the agent cannot do without; a sample is against a scrape of Debian's
node_exporter on the same machine.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import machine, node_exporter, resident
from bench.figures import times
from bench.node_exporter import Missing
from bench.resident import Memory
from bench.results import Result, Row
from tests.unit.agents.nvml import library
from tests.unit.agents.nvml.library import Scenario

GPUS = 8
SAMPLES = 2000
SCRAPES = 300
LEAST, MOST = 1000, 100_000
MEMORY_AIM = 1.25
CPU_AIM = 0.2


def measure(*, most: int = MOST) -> Result:
    """`most` is how many samples one process takes to see whether it grows."""
    with _node() as environ, resident.agent(environ) as running:
        floor = resident.floor(environ)
        memory = running.mib()
    with _node() as environ:
        sampled = _sampled(environ, SAMPLES, LEAST, most)
    rows = [
        _row("resident memory", memory, "MiB", floor.total, MEMORY_AIM),
        _against_node_exporter(sampled["cpu_ms"]),
        _row(f"memory after {most:,} samples", sampled["late"]["mib"], "MiB", sampled["early"]["mib"], 1.0),
        _row(f"objects after {most:,} samples", sampled["late"]["blocks"], "blocks", sampled["early"]["blocks"], 1.0),
        *_modules(floor),
    ]
    settings = {"gpus": GPUS, "samples": SAMPLES, "scrapes": SCRAPES, "first": LEAST, "last": most}
    return Result(measure="agent", settings=settings, machine=machine.described(), rows=rows, notes=_notes(floor))


def _row(what: str, value: float, unit: str, floor: float, aim: float) -> Row:
    return {"what": what, "is": value, "unit": unit, "floor": floor, "x floor": times(value, floor), "aim": aim}


def _against_node_exporter(cpu_ms: float) -> Row:
    """Its cost alone where node_exporter cannot be had."""
    what = f"CPU of a sample of {GPUS} GPUs"
    try:
        return _row(what, cpu_ms, "ms", node_exporter.cpu_ms(SCRAPES), CPU_AIM)
    except Missing as missing:
        said = f"no node_exporter: {missing}"
        return {"what": what, "is": cpu_ms, "unit": "ms", "floor": said, "x floor": "-", "aim": CPU_AIM}


def _modules(floor: Memory) -> Iterator[Row]:
    for name, mib in floor.steps.items():
        yield {"what": f"module: {name}", "is": mib, "unit": "MiB", "floor": "-", "x floor": "-", "aim": "-"}


def _notes(floor: Memory) -> Row:
    return {
        "floor_modules": " ".join(floor.modules),
        "each_module": "the needed ones one on top of the other, the others each on top of all of those",
    }


@contextmanager
def _node() -> Iterator[Mapping[str, str]]:
    """An environment in which NVML answers of so many GPUs."""
    with tempfile.TemporaryDirectory(prefix="dure-bench-") as name:
        folder = library.build(Path(name))
        scenario = Scenario(folder / "scenario", {"gpus": GPUS})
        # Without it Python would compile what it imports each time, and keep what that took.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        yield {**inherited, "LD_LIBRARY_PATH": str(folder), "NVML_SCENARIO": str(scenario.path)}


def _sampled(environ: Mapping[str, str], samples: int, least: int, most: int) -> dict[str, Any]:
    arguments = [sys.executable, "-m", "bench.sampled", str(samples), str(least), str(most)]
    done = subprocess.run(arguments, cwd=machine.TREE, env=environ, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
