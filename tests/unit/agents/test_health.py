"""The stage that gives GPUs their health: what it tells, what it asks for, and what outlives it."""

from dataclasses import replace
from pathlib import Path

import pytest

from agents import __main__ as command
from agents.health.remembered import ask_to_forget
from agents.health.stage import KEEP_S, Judging
from agents.snapshot import Xid
from tests.unit.agents.builders import a_gpu, a_sample
from tests.unit.agents.judged import Node, health


def test_a_sample_with_nothing_wrong_is_handed_on_as_it_is() -> None:
    sample = a_sample(a_gpu(), a_gpu("GPU-b"))

    assert Judging()(sample, None) is sample


def test_what_a_driver_said_of_health_is_no_verdict() -> None:
    sample = Node().sees(a_gpu(health="unhealthy", health_reason="so I think"))

    assert (sample.snapshot.gpus[0].health, sample.snapshot.gpus[0].health_reason) == ("ok", None)


def test_an_xid_is_an_event_and_a_line_and_so_is_what_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    node = Node()
    node.sees(a_gpu(), xids=[("GPU-a", 46), ("GPU-a", 13)])
    node.sees(a_gpu(), for_s=3)
    reason = "XID 46: the GPU stopped working; reset the GPU"

    assert node.told("xid") == [
        (
            "GPU-a",
            {
                "xid": 46,
                "name": "ROBUST_CHANNEL_GPU_TIMEOUT_ERROR",
                "meaning": "the GPU stopped working",
                "verdict": "unhealthy",
                "times": 1,
            },
        ),
        (
            "GPU-a",
            {
                "xid": 13,
                "name": "ROBUST_CHANNEL_GR_EXCEPTION",
                "meaning": "an application did what it may not, as reading beyond the end of an array",
                "verdict": "ok",
                "times": 1,
            },
        ),
    ]
    assert node.told("health") == [("GPU-a", {"before": "ok", "after": "unhealthy", "reason": reason})]
    assert [(record.__dict__["action"], record.levelname) for record in caplog.records] == [
        ("gpu.xid", "WARNING"),
        ("gpu.xid", "WARNING"),
        ("gpu.health", "ERROR"),
    ]
    assert caplog.records[-1].getMessage() == f"GPU-a is unhealthy: {reason}"


def test_xids_that_are_alike_are_one_event_that_says_how_many(caplog: pytest.LogCaptureFixture) -> None:
    node = Node()
    flood = [Xid(gpu="GPU-a", xid=13, at=5.0)] * 256
    node.hears(a_gpu(), xids=[*flood, Xid(gpu="GPU-a", xid=31, at=6.0), Xid(gpu="GPU-a", xid=13, at=7.0, times=40)])

    assert [(detail["xid"], detail["times"]) for _, detail in node.told("xid")] == [(13, 296), (31, 1)]
    assert [event.at for event in node.events] == [7.0, 6.0], "as the newest of them"
    assert len(caplog.records) == 2


def test_that_a_gpu_is_well_again_is_told_too() -> None:
    node = Node()
    node.sees(a_gpu(trouble="Timeout"))
    node.sees(a_gpu(), for_s=62)

    assert node.told("health")[-1] == ("GPU-a", {"before": "suspect", "after": "ok", "reason": None})


def test_mig_instances_share_the_verdict_of_their_gpu() -> None:
    one, two = a_gpu("MIG-1", parent="GPU-p"), a_gpu("MIG-2", parent="GPU-p")
    sample = Node().sees(one, two, a_gpu("GPU-b"), xids=[("GPU-p", 95)])

    assert health(sample) == {"MIG-1": "unhealthy", "MIG-2": "unhealthy", "GPU-b": "ok"}


def test_what_one_mig_instance_shows_is_of_its_gpu() -> None:
    one, two = a_gpu("MIG-1", parent="GPU-p", remap_pending=False), a_gpu("MIG-2", parent="GPU-p", remap_pending=True)

    assert health(Node().sees(one, two)) == {"MIG-1": "suspect", "MIG-2": "suspect"}


def test_a_node_that_must_be_drained_is_given_to_nobody() -> None:
    sample = Node().sees(a_gpu(), a_gpu("GPU-b"), a_gpu("GPU-c", trouble="Timeout"), xids=[("GPU-a", 79)])
    reasons = [gpu.health_reason or "" for gpu in sample.snapshot.gpus]

    assert health(sample) == {"GPU-a": "unhealthy", "GPU-b": "suspect", "GPU-c": "suspect"}
    assert reasons[1].startswith("its node must be drained for GPU-a: XID 79: the GPU has fallen off the bus")
    assert "Timeout" in reasons[2], "what is wrong with it itself is not hidden"


def test_processes_are_asked_for_while_they_are_the_way_back() -> None:
    node = Node()
    mig = a_gpu("MIG-1", parent="GPU-p", processes=None)
    sample = node.sees(a_gpu(), mig, a_gpu("MIG-2", parent="GPU-p"), xids=[("GPU-p", 94)])
    assert sample.suspicious == {"MIG-1", "MIG-2"}
    sample = node.sees(a_gpu(), replace(mig, processes=0), a_gpu("MIG-2", parent="GPU-p", processes=0))

    assert sample.suspicious == frozenset()


def test_an_xid_of_a_gpu_that_cannot_be_read_is_remembered_until_it_can() -> None:
    node = Node()
    node.sees(a_gpu(), xids=[("GPU-b", 46)])

    assert health(node.sees(a_gpu(), a_gpu("GPU-b"))) == {"GPU-a": "ok", "GPU-b": "unhealthy"}


def test_a_check_counts_from_the_next_sample_on() -> None:
    node = Node()
    node.sees(a_gpu())
    node.judging.checked("GPU-a", passed=False, why="exit 3: bad sums")
    failed = node.sees(a_gpu())
    node.sees(a_gpu(), for_s=300)
    node.judging.checked("GPU-a", passed=True)
    node.sees(a_gpu(), for_s=61)

    assert failed.snapshot.gpus[0].health_reason == (
        "the check after a lease failed: exit 3: bad sums; it comes back once the check passes"
    )
    assert health(node.sees(a_gpu())) == {"GPU-a": "ok"}


def test_a_restart_of_the_agent_makes_no_sick_gpu_healthy(tmp_path: Path) -> None:
    node = Node(tmp_path / "state")
    node.sees(a_gpu(), a_gpu("GPU-b"), xids=[("GPU-a", 46)])
    node.restarts()

    assert health(node.sees(a_gpu(), a_gpu("GPU-b"))) == {"GPU-a": "unhealthy", "GPU-b": "ok"}
    assert len(node.told("health")) == 1, "it is told once, not once a process"


def test_a_hold_down_begins_again_with_the_agent(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.sees(a_gpu(trouble="Timeout"))
    node.sees(a_gpu(), for_s=30)
    node.restarts()
    node.at += 1_000_000

    assert health(node.sees(a_gpu(), for_s=60)) == {"GPU-a": "suspect"}
    assert health(node.sees(a_gpu())) == {"GPU-a": "ok"}


def test_a_reset_while_no_agent_ran_is_seen(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.sees(a_gpu(), xids=[("GPU-a", 46)])
    node.sees(a_gpu(energy_millijoules=900_000_000), for_s=int(KEEP_S) + 1)
    node.restarts()
    node.sees(a_gpu(energy_millijoules=2_000_000), for_s=61)

    assert health(node.sees(a_gpu(energy_millijoules=2_000_000))) == {"GPU-a": "ok"}


def test_a_gpu_that_was_away_is_as_sick_as_before(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.sees(a_gpu(), a_gpu("GPU-b"), xids=[("GPU-a", 46)])
    node.sees(a_gpu("GPU-b"), for_s=100)
    node.restarts()
    node.sees(a_gpu("GPU-b"), for_s=100)

    assert health(node.sees(a_gpu(), a_gpu("GPU-b")))["GPU-a"] == "unhealthy"


@pytest.mark.parametrize("restarted", [False, True], ids=["as it runs", "as it starts"])
def test_somebody_can_say_that_a_gpu_is_well(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, restarted: bool
) -> None:
    node = Node(tmp_path)
    node.sees(a_gpu(), xids=[("GPU-a", 157)])
    assert node.memory is not None
    node.memory.flush()
    ask_to_forget(tmp_path, "GPU-a")
    ask_to_forget(tmp_path, "GPU-typo")
    if restarted:
        node.restarts()
    assert health(node.heeds(a_gpu())) == {"GPU-a": "ok"}
    node.restarts()

    assert health(node.sees(a_gpu())) == {"GPU-a": "ok"}
    assert node.told("health")[-1][1]["after"] == "ok"
    assert "nothing is known of GPU-typo, so there is nothing to forget" in caplog.text


def test_nothing_is_written_while_nothing_changes(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.sees(a_gpu())
    assert node.memory is not None
    node.memory.flush()
    (tmp_path / "health.json").unlink()
    for second in range(200):
        node.sees(a_gpu(energy_millijoules=2_000_000 + second, temperature_celsius=40 + second % 30))
    node.memory.flush()

    assert list(tmp_path.iterdir()) == []


def test_a_person_at_the_node_says_it_with_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DURE_AGENT_STATE", raising=False)
    assert command.main(["--forget", "GPU-a"]) == 2
    monkeypatch.setenv("DURE_AGENT_STATE", str(tmp_path))
    assert command.main(["--forget", "../GPU-a"]) == 2
    node = Node(tmp_path)
    node.sees(a_gpu(), xids=[("GPU-a", 157)])
    assert node.memory is not None
    node.memory.flush()
    assert command.main(["--forget", "GPU-typo"]) == 1
    wrong = capsys.readouterr()
    assert command.main(["--forget", "GPU-a"]) == 0

    assert health(node.heeds(a_gpu())) == {"GPU-a": "ok"}
    said = capsys.readouterr()
    assert said.out == "the agent forgets what was wrong with GPU-a at its next look; what still is it finds again\n"
    assert wrong.out == f"nothing is remembered of GPU-typo in {tmp_path}; there is GPU-a\n"
    assert "DURE_AGENT_STATE is missing" in wrong.err
    assert "'../GPU-a' is not the UUID of a GPU" in wrong.err


def test_instances_are_judged_by_what_is_read_of_the_gpu_that_they_are_cut_from() -> None:
    bare = {"parent": "GPU-a", "temperature_celsius": None, "ecc_uncorrected": None, "energy_millijoules": None}
    sample = a_sample(a_gpu("MIG-1", **bare), a_gpu("MIG-2", **bare), a_gpu("GPU-b"))
    cards = (a_gpu("GPU-a", remap_failed=True, processes=None), a_gpu("GPU-c", processes=None))
    sample = Judging()(replace(sample, snapshot=replace(sample.snapshot, cards=cards)), None)

    assert health(sample) == {"MIG-1": "unhealthy", "MIG-2": "unhealthy", "GPU-b": "ok"}
