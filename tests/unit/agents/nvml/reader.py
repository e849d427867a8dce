"""The NVML driver in a process of its own: pynvml loads its library once a process, so every test has one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.unit.agents.nvml.library import Scenario

ROOT = Path(__file__).resolve().parents[4]


class Reader:
    """A driver over the library in `library`, which answers from the scenario; `options` are the driver's own."""

    def __init__(self, library: Path, scenario: Scenario, **options: Any) -> None:
        self.scenario = scenario
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.agents.nvml.driven", json.dumps({"sees_processes": True, **options})],
            cwd=ROOT,
            env={**os.environ, "LD_LIBRARY_PATH": str(library), "NVML_SCENARIO": str(scenario.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self, *of: str, everybody: bool = False) -> dict[str, Any]:
        """The snapshot, with the processes of the GPUs named; a DriverError's text is under `error`."""
        return self._told("read", of=None if everybody else list(of))

    def gpus(self, *of: str, everybody: bool = False) -> list[dict[str, Any]]:
        return self.read(*of, everybody=everybody)["gpus"]

    def later(self, seconds: float) -> "Reader":
        """Its clock is moved on."""
        self._told("later", seconds=seconds)
        return self

    def wait(self, seconds: float) -> bool:
        return self._told("wait", seconds=seconds)["told"]

    def wait_apart(self, seconds: float) -> None:
        """Waits on a thread of its own; `waited` says what came of it."""
        self._told("wait_apart", seconds=seconds)

    def waited(self) -> bool:
        return self._told("waited")["told"]

    def calls(self, function: str) -> int:
        """How often the library was called by that name, by all the process."""
        return self._told("calls", function=function)["calls"]

    def logs(self) -> list[dict[str, str]]:
        """Action, level and text of what was logged since the last time."""
        return self._told("logs")["logs"]

    def close_driver(self) -> None:
        self._told("close")

    def close(self) -> None:
        self._child.communicate(timeout=60)

    def _told(self, what: str, **more: Any) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())
