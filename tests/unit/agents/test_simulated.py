from typing import Any

import pytest

from agents.scenario import GIB, Fault, Scenario
from agents.simulated import MIB, SimulatedDriver
from agents.snapshot import GpuSnapshot
from tests.unit.agents.builders import Hand, allocations, an_allocation

FLEET = Scenario(seed=7, gpus=2, cleanup_s=3, speed=60)


def _driver(clock: Hand, scenario: Scenario = FLEET) -> SimulatedDriver:
    return SimulatedDriver(scenario, node="node-1", monotonic=clock.monotonic, now=clock.wall, wait=clock.advance)


def _read(driver: SimulatedDriver, index: int = 0) -> GpuSnapshot:
    return driver.read(processes_of=None).gpus[index]


def _leased(driver: SimulatedDriver, *, starts: float = 1000.0, stops: float = 1600.0, name: str = "all_1") -> None:
    gpu = _read(driver).uuid
    driver.follow(allocations(an_allocation(name, gpu=gpu, starts=starts, stops=stops)))


def test_an_empty_gpu_is_empty_and_identified() -> None:
    gpu = _read(_driver(Hand()))

    assert gpu.uuid.startswith("GPU-")
    assert (gpu.processes, gpu.utilization_percent, gpu.health, gpu.lost) == (0, 0, "ok", None)
    assert (gpu.memory_used_bytes, gpu.memory_total_bytes) == (500 * MIB, 80 * GIB)


def test_processes_are_said_only_where_they_were_asked_for() -> None:
    driver = _driver(Hand())
    first = _read(driver).uuid

    assert [gpu.processes for gpu in driver.read(processes_of={first}).gpus] == [0, None]
    assert [gpu.processes for gpu in driver.read().gpus] == [None, None]


def _life(scenario: Scenario) -> list[GpuSnapshot]:
    clock = Hand()
    driver = _driver(clock, scenario)
    _leased(driver)
    found: list[GpuSnapshot] = []
    for _ in range(120):
        clock.advance(1)
        found.append(_read(driver))
    return found


def test_the_same_seed_gives_the_same_readings() -> None:
    assert _life(FLEET) == _life(FLEET)


def test_another_seed_gives_other_gpus_and_other_readings() -> None:
    other = _life(FLEET.model_copy(update={"seed": 8}))

    assert other[0].uuid != _life(FLEET)[0].uuid
    assert [gpu.utilization_percent for gpu in other] != [gpu.utilization_percent for gpu in _life(FLEET)]


def test_nodes_of_a_fleet_have_gpus_of_their_own() -> None:
    uuids = {
        gpu.uuid
        for node in ("node-1", "node-2")
        for gpu in SimulatedDriver(FLEET, node=node, monotonic=Hand().monotonic).read().gpus
    }

    assert len(uuids) == 4


def test_a_leased_gpu_works_and_the_other_does_not() -> None:
    life = _life(FLEET)

    assert all(gpu.processes == 1 for gpu in life)
    assert max(gpu.utilization_percent or 0 for gpu in life) > 0
    assert max(gpu.memory_used_bytes or 0 for gpu in life) > GIB
    assert [gpu.energy_millijoules for gpu in life] == sorted(gpu.energy_millijoules or 0 for gpu in life)


def test_a_lease_that_has_not_started_brings_no_load_yet() -> None:
    clock = Hand(900)
    driver = _driver(clock)
    _leased(driver)

    assert _read(driver).processes == 0


@pytest.mark.parametrize(
    ("at", "want"),
    [
        pytest.param(1599, 1, id="until its stop it works"),
        pytest.param(1602, 1, id="then its process is cleaned up"),
        pytest.param(1603, 0, id="and then the GPU is empty"),
    ],
)
def test_a_lease_stops_by_the_allocators_clock_without_being_told(at: float, want: int) -> None:
    clock = Hand()
    driver = _driver(clock)
    _leased(driver)
    clock.at = at

    assert _read(driver).processes == want


def test_a_lease_that_ends_early_stops_when_the_agent_is_told() -> None:
    clock = Hand()
    driver = _driver(clock)
    _leased(driver)
    clock.at = 1100
    driver.follow(allocations(an_allocation(gpu=_read(driver).uuid, ended=True)))

    clock.at = 1102.9
    cleaning = _read(driver)
    clock.at = 1103
    empty = _read(driver)

    assert (cleaning.processes, cleaning.utilization_percent) == (1, 0)
    assert (empty.processes, empty.memory_used_bytes) == (0, 500 * MIB)


def test_a_lease_that_is_extended_goes_on() -> None:
    clock = Hand()
    driver = _driver(clock)
    _leased(driver, stops=1600)
    _leased(driver, stops=1700)
    clock.at = 1650

    assert _read(driver).processes == 1


def test_the_next_lease_has_another_load() -> None:
    clock = Hand()
    driver = _driver(clock)
    _leased(driver)
    first = [clock.advance(1) or _read(driver).utilization_percent for _ in range(60)]
    _leased(driver, name="all_2", starts=1060)
    second = [clock.advance(1) or _read(driver).utilization_percent for _ in range(60)]

    assert first != second


def test_a_lost_gpu_is_an_entry_without_readings_until_it_is_back() -> None:
    clock = Hand()
    driver = _driver(clock)
    driver.fail(Fault(kind="lost", gpu=1, at_s=5, for_s=10))
    clock.advance(5)
    lost = driver.read(processes_of=None)
    clock.advance(10)

    assert [gpu.lost for gpu in lost.gpus] == [None, "lost"]
    assert (lost.gpus[1].utilization_percent, lost.gpus[1].processes) == (None, None)
    assert [gpu.lost for gpu in driver.read().gpus] == [None, None]


def test_a_zombie_stays_after_its_lease_until_it_is_mended() -> None:
    clock = Hand()
    driver = _driver(clock)
    driver.fail(Fault(kind="zombie", gpu=0))
    untouched = _read(driver).processes
    _leased(driver)
    clock.at = 2000
    stuck = _read(driver)
    driver.mend()

    assert (untouched, stuck.processes) == (0, 1)
    assert _read(driver).processes == 0


def test_a_stalled_call_comes_back_when_the_stall_is_over() -> None:
    clock = Hand()
    driver = _driver(clock)
    driver.fail(Fault(kind="stall", for_s=30))

    driver.read()

    assert clock.at >= 1030


def test_faults_count_from_when_they_are_told() -> None:
    clock = Hand()
    driver = _driver(clock)
    clock.advance(100)
    driver.fail(Fault(kind="lost", at_s=1, for_s=1))

    assert _read(driver).lost is None
    clock.advance(1)
    assert _read(driver).lost == "lost"


@pytest.mark.parametrize(("load", "want"), [("full", {100}), ("none", {0})])
def test_a_scenario_says_what_leases_do(load: Any, want: set[int]) -> None:
    life = _life(FLEET.model_copy(update={"load": load}))

    assert {gpu.utilization_percent for gpu in life} == want
    assert all(gpu.processes == 1 for gpu in life)
