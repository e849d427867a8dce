"""A GPU that hangs a call: the sampler's thread is stuck in the library, and everybody else goes on and says since when."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.agents.allocator import Allocator
from tests.unit.agents.nvml.library import Scenario
from tests.unit.agents.nvml.reader import ROOT

TRIES = 100
MORE = 5
SILENT = "no answer from the driver since"
HUNG = "the driver did not answer: for"


@pytest.fixture
def allocator() -> Iterator[Allocator]:
    found = Allocator(time.time)
    yield found
    found.close()


class Agent:
    """`python -m agents` over the compiled library, told by its reports and its /metrics."""

    def __init__(self, library: Path, scenario: Scenario, allocator: Allocator, token: Path) -> None:
        settings = {"SERVER": allocator.url, "NODE": "node-1", "TOKEN_FILE": str(token), "PORT": "0"}
        often = {"SAMPLE_S": "0.05", "INTERVAL_S": "0.1"}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DURE_")}
        self._allocator = allocator
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agents"],
            cwd=ROOT,
            env={
                **inherited,
                **{f"DURE_AGENT_{name}": value for name, value in {**settings, **often}.items()},
                "LD_LIBRARY_PATH": str(library),
                "NVML_SCENARIO": str(scenario.path),
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port = self._started()["port"]

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as answer:
            return answer.read().decode()

    def until(self, true: Callable[[], bool]) -> None:
        """Waits for one report after another until it is true."""
        for _ in range(TRIES):
            if true():
                return
            self._allocator.came.clear()
            assert self._allocator.came.wait(60)
        raise AssertionError(f"not true after {TRIES} reports")

    def end(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=60)

    def _started(self) -> dict[str, str]:
        assert self.process.stderr is not None
        lines = (json.loads(line) for line in self.process.stderr)
        return next(line for line in lines if line["action"] == "agent.started")


@pytest.fixture
def agent(library: Path, scenario: Scenario, allocator: Allocator, token: Path) -> Iterator[Agent]:
    found = Agent(library, scenario, allocator, token)
    yield found
    found.end()


def _in(state: str, metrics: str) -> int:
    """How many GPUs are in that state of health."""
    return len(re.findall(rf'^dure_gpu_health{{.*state="{state}"}} 1(?:\.0)?$', metrics, re.MULTILINE))


def _well(metrics: str) -> bool:
    return _in("ok", metrics) == 2 and "dure_gpu_power_watts{" in metrics


@pytest.mark.parametrize("function", ["nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetCount_v2", "nvmlGpmSampleGet"])
def test_reports_and_metrics_go_on_without_the_gpus_that_hang_and_with_them_as_suspects_when_they_are_back(
    agent: Agent, scenario: Scenario, allocator: Allocator, function: str
) -> None:
    agent.until(lambda: _well(agent.metrics()))
    before = len(allocator.reports)
    with scenario.hang(function):
        # More than one of them: reports tell of it a sampling interval before a hang counts.
        agent.until(lambda: sum(SILENT in report.model_dump_json() for report in allocator.reports[before:]) >= MORE)
        during = agent.metrics()
    agent.until(lambda: any(HUNG in report.model_dump_json() for report in allocator.reports[before:]))
    after = agent.metrics()

    assert (_in("suspect", during), _in("suspect", after)) == (2, 2)
    assert ("dure_gpu_power_watts{" in during, "dure_gpu_power_watts{" in after) == (False, True)
