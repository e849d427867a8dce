"""A change folded into the report that it builds on is the report that would have been sent whole."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core import folding
from scheduler.core.folding import Gpus
from scheduler.core.reported import GpuChange, GpuReading, Report

STEP = folding.MEMORY_STEP_BYTES


def gpu(place: int = 0, **more: Any) -> GpuReading:
    said = {"uuid": f"GPU-{place}", "index": place, "product": "P", "health": "ok", **more}
    return msgspec.convert(said, GpuReading)


def report(*, gpus: list[GpuReading] | None = None, **more: Any) -> Report:
    said = {"boot": "b", "seq": 2, "sent_at": 1, "interval_s": 1, "agent_version": "1", "gpus": [], **more}
    found = msgspec.convert(said, Report)
    return found if gpus is None else msgspec.structs.replace(found, gpus=gpus)


def folded(report_: Report) -> Gpus:
    """What a change of `BASE` makes of it."""
    found = folding.readings(report_, BASE)
    assert found is not None
    return found


def change(place: int = 0, **more: Any) -> dict[str, Any]:
    return {"uuid": f"GPU-{place}", **more}


BASE = (1, (gpu(0, processes=1, temperature_celsius=40), gpu(1)))
FIELDS = {
    "health": st.sampled_from(["ok", "suspect", "unhealthy"]),
    "memory_used_bytes": st.none() | st.integers(0, 80 << 30),
    "processes": st.none() | st.integers(0, 9),
    "temperature_celsius": st.none() | st.integers(-9, 99),
    "health_reason": st.none() | st.just("hot"),
}


@st.composite
def sequences(draw: st.DrawFn) -> list[tuple[GpuReading, ...]]:
    """What two GPUs were like, one report after the other."""
    one = st.fixed_dictionaries(FIELDS)
    return [
        tuple(gpu(place, **draw(one)) for place in range(2)) for _ in range(draw(st.integers(min_value=2, max_value=6)))
    ]


def _difference(before: GpuReading, after: GpuReading) -> dict[str, Any]:
    return {name: getattr(after, name) for name in FIELDS if getattr(before, name) != getattr(after, name)}


@given(sequences())
def test_changes_folded_one_after_the_other_are_what_whole_reports_would_have_said(
    told: list[tuple[GpuReading, ...]],
) -> None:
    known = (1, told[0])
    for seq, (before, after) in enumerate(pairwise(told), 2):
        changed = [change(place, **said) for place in range(2) if (said := _difference(before[place], after[place]))]
        gpus = folding.readings(report(seq=seq, base=seq - 1, changed=changed), known)
        assert gpus is not None
        assert gpus == after
        known = (seq, gpus)


def test_a_whole_report_is_as_it_is() -> None:
    assert folding.readings(report(gpus=[gpu(3)]), None) == (gpu(3),)


@pytest.mark.parametrize("base", [None, (2, BASE[1]), (0, BASE[1])], ids=["none", "a later one", "an earlier one"])
def test_a_change_of_a_report_that_is_not_known_says_nothing(base: Any) -> None:
    assert folding.readings(report(base=1, changed=[change(processes=2)]), base) is None


def test_a_change_of_a_gpu_that_is_not_there_says_nothing() -> None:
    assert folding.readings(report(base=1, changed=[change(7, processes=2)]), BASE) is None


def test_null_is_unknown_now_and_what_is_left_out_is_as_it_was() -> None:
    first, second = folded(report(base=1, changed=[change(processes=None)]))
    assert (first.processes, first.temperature_celsius) == (None, 40)
    assert second is BASE[1][1]


def test_a_gpu_always_has_a_health() -> None:
    first, _ = folded(report(base=1, changed=[change(health=None)]))
    assert first.health == "ok"


@pytest.mark.parametrize(
    ("more", "floor", "want"),
    [
        ({"processes": 0, "memory_used_bytes": 5}, 5, True),
        ({"processes": 0, "memory_used_bytes": 6}, 5, False),
        ({"processes": 1, "memory_used_bytes": 5}, 5, False),
        ({"processes": None, "memory_used_bytes": 5}, 5, False),
        ({"processes": 0}, 5, False),
        ({"memory_used_bytes": 5}, 5, False),
    ],
)
def test_a_gpu_is_empty_where_that_is_known_for_sure(more: Any, floor: int, want: bool) -> None:
    assert folding.empty(gpu(**more), floor) is want


def test_a_gpu_that_was_not_read_is_not_empty() -> None:
    assert not folding.empty(None, 5)


@pytest.mark.parametrize(
    ("before", "after", "worth"),
    [
        ({"processes": 0}, {"processes": 1}, True),
        ({"processes": 0}, {}, True),
        ({}, {"processes": None}, False),
        ({"health": "ok"}, {"health": "suspect"}, True),
        ({"memory_used_bytes": 0}, {"memory_used_bytes": STEP}, True),
        ({"memory_used_bytes": 0}, {"memory_used_bytes": STEP - 1}, True),
        ({"memory_used_bytes": STEP // 2 + 1}, {"memory_used_bytes": STEP - 1}, False),
        ({"memory_used_bytes": 0}, {"memory_used_bytes": STEP // 2}, False),
        ({"memory_used_bytes": 0}, {"memory_used_bytes": None}, True),
        ({"temperature_celsius": 30}, {"temperature_celsius": 90}, False),
    ],
)
def test_health_processes_and_memory_by_steps_or_past_what_is_none_are_worth_writing(
    before: Any, after: Any, worth: bool
) -> None:
    floors = {"GPU-0": STEP // 2}
    assert (folding.notable((gpu(**before),), floors) != folding.notable((gpu(**after),), floors)) is worth


@pytest.mark.parametrize(
    ("said", "gpus", "want"),
    [
        ({}, BASE[1], False),
        ({}, (gpu(0, processes=3), gpu(1)), False),
        ({}, (gpu(0, health="suspect"), gpu(1)), True),
        ({}, (gpu(0),), True),
        ({"knew_ended": ["alo_1"]}, (gpu(0, processes=0), gpu(1)), True),
        ({"knew_ended": ["alo_1"]}, (gpu(0, processes=1), gpu(1)), False),
        ({"changed": [change(health="suspect")]}, None, True),
        ({"changed": [change(processes=3)]}, None, False),
    ],
)
def test_a_change_of_health_or_devices_and_a_proof_of_empty_go_at_once(said: Any, gpus: Any, want: bool) -> None:
    assert folding.urgent(report(**said), gpus, BASE[1]) is want


def test_a_node_of_which_nothing_is_known_waits_its_turn() -> None:
    assert not folding.urgent(report(), (gpu(health="unhealthy"),), None)


def test_every_field_of_a_change_is_one_of_a_reading() -> None:
    assert set(GpuChange.__struct_fields__) <= set(GpuReading.__struct_fields__)
