"""A GPU that hangs a call: the sampler's thread is stuck in the library, and everybody else goes on and says since when."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from agents.sampler import LEAST_STALE_S
from tests.unit.agents.allocator import Allocator
from tests.unit.agents.nvml.library import Scenario
from tests.unit.agents.nvml.reader import ROOT

TRIES = 100
MORE = 5
TOLD = ("sample.silent", "sample.answers")
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
        self._allocator = allocator
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agents"],
            cwd=ROOT,
            env=_variables(library, scenario, {**settings, **often}),
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[dict[str, str]] = []
        """What it logged, as far as that was read."""
        self.port = self.says("agent.started")["port"]

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

    def says(self, action: str) -> dict[str, str]:
        """Waits for a line of its log with that action."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(json.loads(line))
            if self.said[-1]["action"] == action:
                return self.said[-1]
        raise AssertionError(f"it ended without {action}: {self.said}")

    def end(self) -> None:
        self.process.terminate()
        _, rest = self.process.communicate(timeout=60)
        self.said += [json.loads(line) for line in rest.splitlines()]


def _variables(library: Path, scenario: Scenario, settings: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DURE_")}
    ours = {f"DURE_AGENT_{name}": value for name, value in settings.items()}
    return {**inherited, **ours, "LD_LIBRARY_PATH": str(library), "NVML_SCENARIO": str(scenario.path)}


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
    agent.until(lambda: "dure_gpu_power_watts{" in agent.metrics())
    after = agent.metrics()

    assert (_in("suspect", during), _in("suspect", after)) == (2, 2)
    assert ("dure_gpu_power_watts{" in during, "dure_gpu_power_watts{" in after) == (False, True)
    agent.end()
    about = [(line["action"], line["level"]) for line in agent.said if line["action"] in TOLD]
    # A machine that is too busy to read for so long is told of as well.
    assert about == [("sample.silent", "error"), ("sample.answers", "info")] * (len(about) // 2) != []


def test_an_agent_that_starts_while_a_call_hangs_says_so_and_reports_once_that_returns(
    library: Path, scenario: Scenario, allocator: Allocator, token: Path
) -> None:
    with scenario.hang("nvmlInitWithFlags"):
        agent = Agent(library, scenario, allocator, token)
        said = agent.says("sample.silent")
        during = agent.metrics()
    try:
        agent.until(lambda: _well(agent.metrics()))
        agent.says("sample.answers")
    finally:
        agent.end()

    assert said["event"].startswith("the GPUs have not answered for ")
    (age,) = re.findall(r'^dure_agent_snapshot_age_seconds{node="node-1"} (\S+)$', during, re.MULTILINE)
    assert float(age) >= LEAST_STALE_S
    told = [line["action"] for line in agent.said if line["action"] in TOLD]
    assert told == ["sample.silent", "sample.answers"] * (len(told) // 2)


@pytest.mark.parametrize(
    ("code", "want"),
    [
        pytest.param(12, "libnvidia-ml.so.1 is not here", id="no library"),
        pytest.param(13, "is here but is not NVML", id="another library"),
        pytest.param(4, "/dev/nvidiactl may not be opened", id="no permission"),
        pytest.param(999, "NVML does not answer: Unknown Error", id="anything else"),
    ],
)
def test_an_agent_that_cannot_have_its_gpus_ends_at_once_with_one_sentence(
    library: Path, scenario: Scenario, token: Path, code: int, want: str
) -> None:
    scenario.set({"return.nvmlInitWithFlags": code})
    settings = {"SERVER": "http://127.0.0.1:9", "NODE": "node-1", "TOKEN_FILE": str(token), "PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", "agents"],
        check=False,
        cwd=ROOT,
        env=_variables(library, scenario, settings),
        capture_output=True,
        text=True,
    )

    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert want in ended.stderr
