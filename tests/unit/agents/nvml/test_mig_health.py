"""GPUs that are cut into instances, judged by what NVML tells of the whole of each: how hot it is, how its memory is, and a reset."""

from dataclasses import fields
from typing import Any

import pytest

from agents.health import judging, verdicts
from agents.health.facts import Facts, by_gpu, reading_of
from agents.health.judging import State
from agents.snapshot import GpuSnapshot
from tests.unit.agents.nvml.library import Scenario
from tests.unit.agents.nvml.reader import Reader

CUT = {"gpu.0.mig": 1, "gpu.0.instance.0.present": 1, "gpu.0.instance.1.present": 1}
TABLE = verdicts.load()


class Node:
    """The library's two GPUs, the first of which is cut, read and judged once a second."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._states: dict[str, State] = {}
        self._at = 1000.0

    def sees(self, *, for_s: int = 1) -> dict[str, str]:
        """The health of each physical GPU in the end."""
        said: dict[str, str] = {}
        for _ in range(for_s):
            self._reader.later(1)
            said = self._judged(self._reader.read())
            self._at += 1
        return said

    def _judged(self, told: dict[str, Any]) -> dict[str, str]:
        said: dict[str, str] = {}
        for gpu, units in by_gpu(_snapshot(each) for each in (*told["gpus"], *told["cards"])).items():
            xids = [each["xid"] for each in told["xids"] if each["gpu"] == gpu]
            facts = Facts(reading=reading_of(gpu, units), wall=self._at, boot="b1", xids=xids)
            self._states[gpu], verdict = judging.judge(self._states.get(gpu, State()), facts, TABLE, self._at)
            said[gpu] = verdict.health
        return said


def _snapshot(told: dict[str, Any]) -> GpuSnapshot:
    known = {field.name: told[field.name] for field in fields(GpuSnapshot)}
    reasons = told["throttle_reasons"]
    return GpuSnapshot(**{**known, "throttle_reasons": None if reasons is None else tuple(reasons), "seen": ()})


@pytest.fixture
def node(reader: Reader, scenario: Scenario) -> Node:
    scenario.set(CUT)
    return Node(reader)


def test_a_gpu_whose_instances_are_leased_is_ok_while_it_is_well(node: Node) -> None:
    assert node.sees(for_s=60) == {"GPU-0": "ok", "GPU-1": "ok"}


@pytest.mark.parametrize(
    ("lines", "want"),
    [
        pytest.param({"gpu.0.field.145": 1}, "unhealthy", id="rows that could not be replaced"),
        pytest.param({"gpu.0.field.4": 3}, "suspect", id="errors that ECC could not correct"),
        pytest.param({"gpu.0.temperature": 95}, "suspect", id="too hot"),
        pytest.param({"gpu.0.reasons": 0x40}, "suspect", id="slowed down for heat"),
        pytest.param({"gpu.0.link.2.active": 0}, "unhealthy", id="a link that is down"),
        pytest.param({"gpu.0.return.nvmlDeviceGetPowerUsage": 999}, "suspect", id="a plain reading that fails"),
    ],
)
def test_what_is_wrong_with_a_whole_gpu_is_seen_though_it_is_cut(
    node: Node, scenario: Scenario, lines: dict[str, object], want: str
) -> None:
    node.sees()
    scenario.set(lines)

    assert node.sees(for_s=45) == {"GPU-0": want, "GPU-1": "ok"}


def test_a_gpu_that_is_cut_is_well_again_once_its_reset_is_seen(node: Node, scenario: Scenario) -> None:
    node.sees()
    scenario.xid(0, 48)
    fell = node.sees()
    stays = node.sees(for_s=200)
    scenario.set({"gpu.0.energy": 5})
    held = node.sees()
    after = node.sees(for_s=90)

    assert [each["GPU-0"] for each in (fell, stays, held, after)] == ["unhealthy", "unhealthy", "unhealthy", "ok"]
