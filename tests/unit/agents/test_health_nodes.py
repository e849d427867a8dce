"""Verdicts that all GPUs of a node share: it must be drained, or its driver hung."""

from pathlib import Path

import pytest

from agents import stages
from agents.events import forget
from agents.health.remembered import ask_to_forget
from agents.health.stage import Judging
from agents.settings import Settings
from tests.unit.agents.builders import a_gpu, a_sample
from tests.unit.agents.judged import Node, health


@pytest.mark.parametrize("restarted", [False, True], ids=["as it runs", "as it starts"])
@pytest.mark.parametrize("xid", [79, 151])
def test_a_node_is_drained_also_while_the_gpu_that_it_is_drained_for_is_not_listed(
    tmp_path: Path, xid: int, *, restarted: bool
) -> None:
    node = Node(tmp_path)
    node.sees(a_gpu(lost="lost"), a_gpu("GPU-b"), xids=[("GPU-a", xid)])
    if restarted:
        node.restarts()
    sample = node.sees(a_gpu("GPU-b"), for_s=10_000)

    assert health(sample) == {"GPU-b": "suspect"}
    assert (sample.snapshot.gpus[0].health_reason or "").startswith("its node must be drained for GPU-a: XID")
    assert [gpu for gpu, detail in node.told("health") if detail["after"] == "ok"] == []


def test_the_drain_for_a_gpu_that_is_not_listed_ends_with_a_reboot(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.sees(a_gpu(lost="lost"), a_gpu("GPU-b"), xids=[("GPU-a", 79)])
    node.sees(a_gpu("GPU-b"))
    node.boot = "b2"
    node.restarts()
    held = node.sees(a_gpu("GPU-b"), for_s=60)
    after = node.sees(a_gpu("GPU-b"))
    node.restarts()

    assert (health(held), health(after)) == ({"GPU-b": "suspect"}, {"GPU-b": "ok"})
    assert "over, held until" in (held.snapshot.gpus[0].health_reason or "")
    assert health(node.sees(a_gpu(), a_gpu("GPU-b"))) == {"GPU-a": "ok", "GPU-b": "ok"}, "nothing is left of it"
    assert [gpu for gpu, detail in node.told("health") if detail["after"] == "ok"] == ["GPU-b"]


def test_the_drain_for_a_gpu_that_is_not_listed_ends_when_somebody_says_so(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.sees(a_gpu(), a_gpu("GPU-b"), xids=[("GPU-a", 79)])
    node.heeds(a_gpu("GPU-b"))
    ask_to_forget(tmp_path, "GPU-a")

    assert health(node.heeds(a_gpu("GPU-b"))) == {"GPU-b": "ok"}


def test_what_passes_by_itself_does_not_pass_while_its_gpu_is_not_listed() -> None:
    node = Node()
    node.sees(a_gpu(trouble="Timeout"), a_gpu("GPU-b"))
    node.sees(a_gpu("GPU-b"), for_s=1000)

    assert health(node.sees(a_gpu(), a_gpu("GPU-b"))) == {"GPU-a": "suspect", "GPU-b": "ok"}


def test_a_driver_that_hung_makes_its_gpus_suspect_for_the_hold_down() -> None:
    node = Node()
    node.sees(a_gpu(), a_gpu("GPU-b"), for_s=2)
    node.hangs(8)
    sample = node.sees(a_gpu(), a_gpu("GPU-b"))
    held = node.sees(a_gpu(), a_gpu("GPU-b"), for_s=60)

    assert sample.snapshot.gpus[0].health_reason == (
        "the driver did not answer: for 8 s; it comes back once that is over"
    )
    assert health(held) == {"GPU-a": "suspect", "GPU-b": "suspect"}
    assert health(node.sees(a_gpu(), a_gpu("GPU-b"))) == {"GPU-a": "ok", "GPU-b": "ok"}


def test_a_driver_that_hangs_again_and_again_is_held_longer_each_time() -> None:
    node = Node()
    node.sees(a_gpu(), for_s=2)
    held: list[int] = []
    for _ in range(3):
        node.hangs(8)
        seconds = 0
        while health(node.sees(a_gpu())) != {"GPU-a": "ok"}:
            seconds += 1
        held.append(seconds)

    assert held == [61, 121, 241]


def test_the_first_reading_of_an_agent_may_take_its_time() -> None:
    node = Node()
    node.sees(a_gpu())
    node.hangs(20)

    assert health(node.sees(a_gpu(), for_s=3)) == {"GPU-a": "ok"}


@pytest.mark.parametrize(
    ("sample_s", "gap_s", "want"),
    [
        pytest.param(1.0, 3.0, "ok", id="as slow as may be"),
        pytest.param(1.0, 3.1, "suspect", id="too slow"),
        pytest.param(0.1, 2.0, "ok", id="many missed of a quick one"),
        pytest.param(3600.0, 7200.0, "ok", id="one missed of an hourly one"),
        pytest.param(3600.0, 10_801.0, "suspect", id="three missed of an hourly one"),
    ],
)
def test_a_slow_interval_is_no_hang(sample_s: float, gap_s: float, want: str) -> None:
    found = stages.made(Settings(sample_s=sample_s), forget, host_boot=None)
    judging = next(stage for stage in found.in_order if isinstance(stage, Judging))
    before = judging(a_sample(at=1000.0), judging(a_sample(at=999.0), None))

    assert health(judging(a_sample(at=1000.0 + gap_s), before)) == {"GPU-a": want}
