import pytest

from tests.unit.agents.builders import allocations, an_allocation


@pytest.mark.parametrize(
    ("at", "want"),
    [
        pytest.param(999.0, {}, id="before it starts nobody holds the GPU"),
        pytest.param(1000.0, {"GPU-a": "all_1"}, id="from its first second on it does"),
        pytest.param(1599.9, {"GPU-a": "all_1"}, id="until just before it stops"),
        pytest.param(1600.0, {}, id="at its stop it no longer does, told or not"),
    ],
)
def test_who_holds_a_gpu_by_the_allocators_clock(at: float, want: dict[str, str]) -> None:
    found = allocations(an_allocation()).running(at)

    assert {gpu: item.allocation for gpu, item in found.items()} == want


def test_an_ended_allocation_holds_nothing_even_inside_its_time() -> None:
    known = allocations(an_allocation("over", ended=True), an_allocation("next", gpu="GPU-b"))

    assert list(known.running(1100.0)) == ["GPU-b"]
    assert known.ended() == {"over"}
    assert known.listed() == {"over", "next"}


@pytest.mark.parametrize(
    ("at", "ended", "want"),
    [
        pytest.param(1014.0, False, {"GPU-a"}, id="just begun"),
        pytest.param(1300.0, False, set(), id="in the middle"),
        pytest.param(1590.0, False, {"GPU-a"}, id="about to stop"),
        pytest.param(1700.0, False, {"GPU-a"}, id="past its stop and not yet told"),
        pytest.param(1300.0, True, {"GPU-a"}, id="ended early and not yet proved empty"),
    ],
)
def test_processes_matter_near_an_edge(at: float, ended: bool, want: set[str]) -> None:
    assert allocations(an_allocation(ended=ended)).near_an_edge(at, within_s=15) == want


def test_the_allocators_time_and_the_agents_turn_into_each_other() -> None:
    known = allocations()

    assert known.monotonic(known.server_time(1234.5)) == 1234.5
