"""When a violation is told: once the allocator had its say, once when it begins, and once when it is over."""

import logging
from dataclasses import replace

import pytest

from agents.allocations import Held
from agents.events import Event
from agents.snapshot import GpuSnapshot, Holder, Process, Sample
from agents.violations.alarming import ANSWERS, LEAST_S, LOOK_EVERY_S, Alarming
from tests.unit.agents.builders import GIB, a_gpu, a_sample, allocations, an_allocation

PYTHON = Process(pid=4321, name="python", cgroup="/user.slice")
BUSY = a_gpu(processes=1, seen=(PYTHON,), utilization_percent=80)
EMPTY = a_gpu(processes=0, utilization_percent=0, memory_used_bytes=GIB)
NOT_ASKED = replace(EMPTY, processes=None)
STRANGER = Holder(gpu="GPU-a", namespace="dure-co-globex", pod="train", container="main", resource="nvidia.com/gpu")


class Line:
    """A stage, and samples one second apart; `answers` is what the newest report was answered with."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.stage = Alarming(self.events.append)
        self.at = 1000.0
        self.allocations = allocations()

    def answered(self, *items: Held) -> None:
        self.allocations = allocations(*items)

    def sample(self, *gpus: GpuSnapshot, holders: tuple[Holder, ...] | None = ()) -> Sample:
        self.at += 1
        sample = replace(a_sample(*gpus, at=self.at, knowing=self.allocations), holders=holders)
        return self.stage(sample, None)

    def until_told(self, *gpus: GpuSnapshot, holders: tuple[Holder, ...] = (), items: tuple[Held, ...] = ()) -> Sample:
        self.answered(*items)
        found = self.sample(*gpus, holders=holders)
        for _ in range(ANSWERS):
            assert found.violations == ()
            self.answered(*items)
            self.at += LEAST_S / ANSWERS
            found = self.sample(*gpus, holders=holders)
        return found


def test_a_process_that_no_lease_explains_is_told_once_the_allocator_had_its_say() -> None:
    line = Line()
    found = line.until_told(BUSY)
    assert [(one.pid, one.name, one.cgroup) for one in found.violations] == [(4321, "python", "/user.slice")]
    assert found.violations[0].since == a_sample(at=1001).wall, "since it was seen first"


def test_without_an_answer_nobody_is_told_of_however_long_it_lasts() -> None:
    line = Line()
    assert all(line.sample(BUSY).violations == () for _ in range(1000))
    assert line.events == []


def test_answers_that_follow_each_other_within_seconds_are_not_enough() -> None:
    line = Line()
    for _ in range(int(LEAST_S)):
        line.answered()
        assert line.sample(BUSY).violations == ()
    assert [one.pid for one in line.sample(BUSY).violations] == [4321]


def test_a_process_of_the_host_beside_a_lease_s_pod_is_told_in_the_end() -> None:
    line = Line()
    mine = replace(PYTHON, pid=77, pod="uid-1")
    beside = replace(BUSY, processes=2, seen=(mine, PYTHON))
    found = line.until_told(beside, holders=(replace(STRANGER, namespace="dure-co-acme"),), items=(an_allocation(),))
    assert [(one.kind, one.pid) for one in found.violations] == [("process", 4321)]


def test_leased_gpus_are_looked_at_one_after_the_other() -> None:
    line = Line()
    gpus = [replace(NOT_ASKED, uuid=f"GPU-{name}") for name in "abc"]
    line.answered(*(an_allocation(f"all_{name}", gpu=f"GPU-{name}") for name in "ab"))
    line.sample(*(replace(gpu, processes=0) for gpu in gpus))
    asked = [sorted(line.sample(*gpus).suspicious) for _ in range(int(3 * LOOK_EVERY_S))]
    assert [each for each in asked if each] == [["GPU-b"], ["GPU-a"], ["GPU-b"]]


def test_nobody_is_looked_at_where_the_host_s_processes_are_hidden() -> None:
    line = Line()
    line.answered(an_allocation())
    blind = a_sample(NOT_ASKED, at=line.at, knowing=line.allocations)
    assert line.stage(replace(blind, snapshot=replace(blind.snapshot, sees_processes=False)), None).suspicious == set()


def test_a_lease_whose_start_the_agent_hears_of_late_alarms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    line = Line()
    line.sample(BUSY)
    line.answered()
    line.sample(BUSY)
    line.answered(an_allocation())
    for _ in range(5):
        assert line.sample(BUSY).violations == ()
        line.answered(an_allocation())
    assert line.events == []
    assert caplog.records == []


def test_a_pod_on_another_s_gpu_alarms_nobody_if_the_allocator_swaps_them() -> None:
    line = Line()
    line.answered(an_allocation(company="acme"))
    line.sample(EMPTY, holders=(STRANGER,))
    line.answered(an_allocation(company="acme"))
    line.sample(EMPTY, holders=(STRANGER,))
    for _ in range(5):
        line.answered(an_allocation(company="globex"))
        assert line.sample(EMPTY, holders=(STRANGER,)).violations == ()
    assert line.events == []


def test_a_pod_that_no_swap_explains_is_told(caplog: pytest.LogCaptureFixture) -> None:
    line = Line()
    found = line.until_told(EMPTY, holders=(STRANGER,), items=(an_allocation(company="acme"),))
    assert [(one.kind, one.namespace, one.pod) for one in found.violations] == [("pod", "dure-co-globex", "train")]
    assert "kubectl delete pod -n dure-co-globex train" in caplog.text
    assert "lea_1" in caplog.text, "whose GPU it is"


def test_what_is_left_on_a_gpu_after_its_lease_is_told_at_once_when_cleaning_is_over() -> None:
    """Nobody else can have it before it is shown empty, so there is nothing to wait for."""
    line = Line()
    line.answered(an_allocation(starts=0, stops=972, ended=True))
    assert line.sample(BUSY).violations == ()
    assert [one.pid for one in line.sample(BUSY).violations] == [4321]


def test_it_is_one_event_and_one_line_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    line = Line()
    line.until_told(BUSY)
    for _ in range(5):
        line.answered()
        line.sample(BUSY)
    line.sample(NOT_ASKED)
    assert line.sample(EMPTY).violations == ()
    line.sample(EMPTY)
    said = [(one.gpu, one.kind, one.detail["state"], one.detail["pid"]) for one in line.events]
    assert said == [("GPU-a", "violation", "began", 4321), ("GPU-a", "violation", "ended", 4321)]
    assert [(record.levelname, record.action) for record in caplog.records] == [  # pyright: ignore
        ("WARNING", "violation.began"),
        ("INFO", "violation.ended"),
    ]
    assert "ps -fp 4321" in caplog.text


def test_one_that_goes_before_it_was_told_leaves_no_event() -> None:
    line = Line()
    line.sample(BUSY)
    line.answered()
    line.sample(BUSY)
    line.sample(EMPTY)
    assert line.events == []


def test_processes_are_asked_for_where_somebody_is_or_seems_to_be() -> None:
    line = Line()
    assert line.sample(EMPTY).suspicious == frozenset()
    assert line.sample(NOT_ASKED).suspicious == frozenset(), "it was seen empty, and is as it was"
    assert line.sample(replace(NOT_ASKED, memory_used_bytes=2 * GIB)).suspicious == {"GPU-a"}
    assert line.sample(BUSY).suspicious == {"GPU-a"}
    assert line.sample(replace(NOT_ASKED, memory_used_bytes=GIB)).suspicious == {"GPU-a"}, "it is not known to be gone"
    assert line.sample(EMPTY).suspicious == frozenset()


def test_what_the_agent_itself_runs_to_clean_a_gpu_alarms_nobody() -> None:
    line = Line()
    line.stage = Alarming(line.events.append, owns=lambda pid: pid == PYTHON.pid)
    line.answered(an_allocation(starts=0, stops=900, ended=True))
    assert line.sample(BUSY).violations == ()
    assert line.events == []


def test_what_another_stage_suspects_is_kept() -> None:
    sample = replace(a_sample(EMPTY), suspicious=frozenset({"GPU-b"}))
    assert Alarming(lambda _: None)(sample, None).suspicious == {"GPU-b"}
