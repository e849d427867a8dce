"""What each fault shows in the readings, and what is left of it when it is over."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.driver import DriverError
from agents.scenario import Fault, Scenario
from agents.simulated import MIB, SimulatedDriver
from agents.snapshot import GpuSnapshot
from tests.unit.agents.builders import Hand

FLEET = Scenario(seed=7, gpus=2)


def _driver(clock: Hand, *faults: Fault, scenario: Scenario = FLEET) -> SimulatedDriver:
    told = scenario.model_copy(update={"faults": faults})
    return SimulatedDriver(told, node="node-1", monotonic=clock.monotonic, now=clock.wall, wait=clock.advance)


def _after(clock: Hand, driver: SimulatedDriver, seconds: float) -> GpuSnapshot:
    clock.advance(seconds)
    return driver.read(processes_of=None).gpus[0]


@pytest.mark.parametrize(
    ("fault", "during", "after"),
    [
        pytest.param(
            {"kind": "ecc", "uncorrected": 3, "corrected": 20, "for_s": 10},
            {"ecc_uncorrected": 1, "ecc_corrected": 10, "ecc_uncorrected_lifetime": 1},
            {"ecc_uncorrected": 3, "ecc_corrected": 20, "ecc_uncorrected_lifetime": 3},
            id="ECC errors come evenly and stay counted",
        ),
        pytest.param(
            {"kind": "remap", "pending": True, "for_s": 10},
            {"remap_pending": True, "remap_failed": False, "remapped_rows_uncorrected": 1},
            {"remap_pending": False, "remap_failed": False, "remapped_rows_uncorrected": 1},
            id="a row that is to be remapped",
        ),
        pytest.param(
            {"kind": "remap", "failed": True, "for_s": 10},
            {"remap_failed": True, "remap_pending": False},
            {"remap_failed": False},
            id="a row that cannot be",
        ),
        pytest.param(
            {"kind": "hot", "celsius": 99, "for_s": 10},
            {
                "temperature_celsius": 99,
                "sm_clock_megahertz": 990,
                "throttle_reasons": ("hw_slowdown", "hw_thermal_slowdown", "sw_thermal_slowdown"),
            },
            {"temperature_celsius": 30, "throttle_reasons": ("gpu_idle",)},
            id="too hot",
        ),
        pytest.param(
            {"kind": "slow", "percent": 20, "for_s": 10},
            {"sm_clock_megahertz": 396, "throttle_reasons": ("hw_slowdown", "hw_power_brake_slowdown")},
            {"throttle_reasons": ("gpu_idle",)},
            id="held down by the power brake",
        ),
        pytest.param(
            {"kind": "nvlink_down", "links": 2, "for_s": 10},
            {"nvlinks_active": 16, "nvlinks_inactive": 2},
            {"nvlinks_active": 18, "nvlinks_inactive": 0},
            id="links down",
        ),
        pytest.param(
            {"kind": "nvlink_errors", "count": 100, "for_s": 10},
            {"nvlink_errors": 50},
            {"nvlink_errors": 100},
            id="link errors",
        ),
        pytest.param({"kind": "pcie_replays", "count": 7}, {"pcie_replays": 7}, {"pcie_replays": 7}, id="at once"),
        pytest.param({"kind": "lost", "for_s": 10}, {"lost": "lost"}, {"lost": None}, id="off the bus"),
        pytest.param(
            {"kind": "reset_required", "for_s": 10}, {"lost": "reset_required"}, {"lost": None}, id="needs a reset"
        ),
    ],
)
def test_what_a_fault_shows_while_it_goes_on_and_afterwards(
    fault: dict[str, Any], during: dict[str, Any], after: dict[str, Any]
) -> None:
    clock = Hand()
    driver = _driver(clock, Fault(at_s=5, gpu=0, **fault))
    before, struck, over = (_after(clock, driver, seconds) for seconds in (4, 6, 10))
    other = driver.read().gpus[1]

    assert {name: getattr(struck, name) for name in during} == during
    assert {name: getattr(over, name) for name in after} == after
    assert all(getattr(before, name) == getattr(other, name) for name in during if name != "temperature_celsius")


def test_time_that_clocks_were_held_down_is_counted_by_its_reason() -> None:
    clock = Hand()
    driver = _driver(clock, Fault(kind="hot", for_s=3), Fault(kind="slow", at_s=1, for_s=2))
    gpu = _after(clock, driver, 10)

    assert gpu.throttled_nanoseconds is not None
    assert {why: ns for why, ns in gpu.throttled_nanoseconds.items() if ns} == {
        "thermal": 3_000_000_000,
        "power": 2_000_000_000,
    }


@given(steps=st.lists(st.floats(0.01, 20), min_size=1, max_size=20))
def test_counters_only_grow_until_a_reset_however_often_they_are_read(steps: list[float]) -> None:
    clock = Hand()
    faults = (
        Fault(kind="ecc", corrected=1000, uncorrected=3, at_s=2, for_s=50),
        Fault(kind="hot", at_s=1, for_s=9),
        Fault(kind="nvlink_errors", count=5, at_s=3),
    )
    driver = _driver(clock, *faults)
    life = [_after(clock, driver, seconds) for seconds in steps]

    for name in ("ecc_corrected", "ecc_uncorrected", "nvlink_errors", "energy_millijoules"):
        counted = [getattr(gpu, name) for gpu in life]
        assert counted == sorted(counted)


def test_a_reset_begins_counters_anew_but_not_those_of_a_life() -> None:
    clock = Hand()
    driver = _driver(
        clock, Fault(kind="ecc", uncorrected=2), Fault(kind="remap", pending=True), Fault(kind="pcie_replays")
    )
    worn = _after(clock, driver, 60)
    driver.fail(Fault(kind="reset"))
    reset = driver.read().gpus[0]
    later = _after(clock, driver, 1)

    assert (worn.ecc_uncorrected, worn.remap_pending, worn.pcie_replays) == (2, True, 1)
    assert (reset.ecc_uncorrected, reset.remap_pending, reset.pcie_replays, reset.energy_millijoules) == (
        0,
        False,
        0,
        0,
    )
    assert (reset.ecc_uncorrected_lifetime, reset.remapped_rows_uncorrected) == (2, 1)
    assert later.energy_millijoules == 70_000


def test_what_was_counted_stays_counted_when_it_is_mended() -> None:
    clock = Hand()
    driver = _driver(clock, Fault(kind="ecc", corrected=100, for_s=10), Fault(kind="hot"))
    clock.advance(4)
    driver.mend()
    gpu = _after(clock, driver, 60)

    assert (gpu.ecc_corrected, (gpu.throttled_nanoseconds or {})["thermal"]) == (40, 4_000_000_000)
    assert gpu.throttle_reasons == ("gpu_idle",)


@pytest.mark.parametrize("kind", ["lost", "reset_required"])
def test_a_gpu_that_was_gone_comes_back_as_after_a_reset(kind: Any) -> None:
    clock = Hand()
    driver = _driver(clock, Fault(kind="ecc", uncorrected=1), Fault(kind=kind, at_s=5))
    clock.advance(20)
    gone = driver.read().gpus[0]
    driver.mend()
    back = driver.read().gpus[0]

    assert (gone.lost, gone.energy_millijoules) == (kind, None)
    assert (back.lost, back.energy_millijoules, back.ecc_uncorrected, back.ecc_uncorrected_lifetime) == (None, 0, 0, 1)


def test_an_xid_is_told_once_with_the_nodes_clock_and_of_the_gpu_that_it_is_of() -> None:
    clock = Hand(off_s=30)
    driver = _driver(
        clock, Fault(kind="xid", gpu=1, xid=79, at_s=5, for_s=0.1), Fault(kind="xid", gpu=1, xid=13, at_s=4)
    )
    clock.advance(7)
    first, second = driver.read(), driver.read()

    assert [(one.gpu, one.xid, one.at - clock.wall()) for one in first.xids] == [
        (first.gpus[1].uuid, 13, -3),
        (first.gpus[1].uuid, 79, -2),
    ]
    assert (second.xids, [gpu.last_xid for gpu in second.gpus]) == ((), [None, 79])


def test_an_xid_without_a_gpu_is_of_all_of_them() -> None:
    snapshot = _driver(Hand(), Fault(kind="xid", xid=48)).read()

    assert [one.gpu for one in snapshot.xids] == [gpu.uuid for gpu in snapshot.gpus]


def test_waiting_ends_when_an_xid_begins_and_only_once_for_each() -> None:
    clock = Hand()
    driver = _driver(clock, Fault(kind="xid", xid=48, at_s=3), Fault(kind="lost", at_s=1))

    assert (driver.wait(60), clock.at) == (True, 1003)
    assert (driver.wait(60), clock.at) == (False, 1063)


def test_an_xid_that_was_read_wakes_nobody() -> None:
    clock = Hand()
    driver = _driver(clock, Fault(kind="xid", xid=48))
    driver.read()

    assert driver.wait(5) is False


def test_waiting_ends_at_once_when_somebody_makes_it_fail() -> None:
    driver = SimulatedDriver(FLEET, node="node-1")
    driver.fail(Fault(kind="xid", xid=79))

    assert driver.wait(600) is True


def test_gpus_that_are_added_and_removed() -> None:
    clock = Hand()
    driver = _driver(clock, Fault(kind="added", gpu=2, at_s=5), Fault(kind="removed", gpu=0, at_s=10, for_s=5))
    seen = [[gpu.uuid for gpu in driver.read().gpus]]
    for _ in range(3):
        clock.advance(5)
        seen.append([gpu.uuid for gpu in driver.read().gpus])

    assert [len(each) for each in seen] == [2, 3, 2, 3]
    assert seen[2] == seen[1][1:]
    assert seen[3] == seen[1]
    assert [gpu.index for gpu in driver.read().gpus] == [0, 1, 2]


def test_a_gpu_can_be_added_while_it_runs() -> None:
    driver = _driver(Hand())
    driver.fail(Fault(kind="added", gpu=7))

    assert len(driver.read().gpus) == 3


def test_an_intruder_is_a_process_without_a_lease_with_what_it_is_called() -> None:
    clock = Hand()
    driver = _driver(clock, Fault(kind="intruder", gpu=0, at_s=2, pid=4711, name="xmrig", memory_mib=1000))
    gpu = _after(clock, driver, 5)
    (found,) = gpu.seen

    assert (found.pid, found.name, found.used_memory_bytes, found.container) == (4711, "xmrig", 1000 * MIB, None)
    assert (found.started_at, gpu.processes) == (clock.wall() - 3, 1)
    assert (gpu.memory_used_bytes, (gpu.utilization_percent or 0) > 0) == (1500 * MIB, True)


def test_a_driver_that_is_gone_is_an_error_until_it_is_back() -> None:
    clock = Hand()
    driver = _driver(clock, Fault(kind="no_driver", at_s=1, for_s=1))
    clock.advance(1)

    with pytest.raises(DriverError, match="the simulated driver is gone"):
        driver.read()
    clock.advance(1)
    assert len(driver.read().gpus) == 2


def test_who_must_not_hang_can_ask_whether_a_reading_would() -> None:
    driver = _driver(Hand())
    before = driver.stalled
    driver.fail(Fault(kind="stall"))

    assert (before, driver.stalled) == (False, True)
