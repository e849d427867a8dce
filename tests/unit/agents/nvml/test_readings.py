"""What is read of a GPU, over the real ctypes path."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.nvml.readings import reason_names
from tests.unit.agents.nvml.conftest import Start
from tests.unit.agents.nvml.library import Scenario
from tests.unit.agents.nvml.reader import Reader

H100 = {
    "uuid": "GPU-0",
    "index": 0,
    "product": "NVIDIA H100 80GB HBM3",
    "parent": None,
    "mig_profile": None,
    "mig_instance": None,
    "serial": "160",
    "pci_bus_id": "00000000:01:00.0",
    "numa_node": 1,
    "architecture": "hopper",
    "nvlink_domain": "ab" * 16 + "/5",
    "nvlink_peers": ["00000000:A0:00.0", "00000000:A1:00.0"],
    "lost": None,
    "trouble": None,
    "health": "ok",
    "health_reason": None,
    "utilization_percent": 71,
    "utilization_source": "gpm",
    "sm_active_percent": 72,
    "tensor_active_percent": 75,
    "dram_active_percent": 80,
    "memory_total_bytes": 85899345920,
    "memory_used_bytes": 1073741824,
    "power_milliwatts": 350000,
    "power_limit_milliwatts": 700000,
    "energy_millijoules": 123456789,
    "sm_clock_megahertz": 1980,
    "memory_clock_megahertz": 2619,
    "throttle_reasons": ["sw_power_cap", "hw_thermal_slowdown"],
    "throttled_nanoseconds": {
        "power": 1074,
        "thermal": 1075,
        "sync_boost": 1076,
        "board_limit": 1077,
        "low_utilization": 1078,
        "reliability": 1079,
    },
    "temperature_celsius": 61,
    "memory_temperature_celsius": 72,
    "slowdown_celsius": 90,
    "ecc_corrected": 12,
    "ecc_uncorrected": 3,
    "ecc_uncorrected_lifetime": 9,
    "remapped_rows_corrected": 2,
    "remapped_rows_uncorrected": 1,
    "remap_pending": False,
    "remap_failed": True,
    "retired_pages": 0,
    "retired_pages_pending": False,
    "nvlinks_active": 3,
    "nvlinks_inactive": 1,
    "nvlink_errors": 4,
    "pcie_replays": 4,
    "last_xid": None,
    "processes": 0,
    "seen": [],
    "absent": {},
}


def test_everything_that_a_gpu_says_is_read(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.0.reasons": 0x44, "gpu.0.field.4": 3, "gpu.0.field.145": 1, "gpu.0.link.3.active": 0})
    reader.read(everybody=True)
    found = reader.later(1).read("GPU-0")

    assert (found["driver_version"], found["cuda_version"], found["sees_processes"]) == ("570.124.06", "12.8", True)
    assert found["gpus"][0] == H100


def test_an_older_driver_says_as_much_by_older_calls_and_the_rest_is_not_in_its_library(
    start: Start, old_library: Path, scenario: Scenario
) -> None:
    scenario.set({"return.nvmlDeviceGetFieldValues": 3, "gpu.0.pages.single": 2, "gpu.0.pages.double": 1})
    reader = start(library=old_library)
    reader.read(everybody=True)
    gpu = reader.later(1).gpus("GPU-0")[0]

    assert gpu["memory_used_bytes"] == 1073741824 + 536870912, "older drivers count what they reserve"
    assert (gpu["utilization_percent"], gpu["utilization_source"]) == (42, "rates")
    assert (gpu["temperature_celsius"], gpu["throttle_reasons"], gpu["processes"]) == (61, [], 0)
    assert (gpu["ecc_corrected"], gpu["ecc_uncorrected"], gpu["ecc_uncorrected_lifetime"]) == (12, 0, 9)
    assert (gpu["remapped_rows_corrected"], gpu["remap_failed"], gpu["retired_pages"]) == (2, False, 3)
    assert gpu["throttled_nanoseconds"]["thermal"] == 1001
    assert (gpu["pcie_replays"], gpu["nvlinks_active"], gpu["nvlink_errors"]) == (4, 4, 0)
    assert gpu["absent"] == {
        "sm_active_percent": "not_in_library",
        "tensor_active_percent": "not_in_library",
        "dram_active_percent": "not_in_library",
        "memory_temperature_celsius": "not_supported",
    }
    assert gpu["trouble"] is None


READ: dict[str, tuple[str, ...]] = {
    "serial": ("nvmlDeviceGetSerial",),
    "pci_bus_id": ("nvmlDeviceGetPciInfo_v3",),
    "numa_node": ("nvmlDeviceGetNumaNodeId",),
    "architecture": ("nvmlDeviceGetArchitecture",),
    "slowdown_celsius": ("nvmlDeviceGetTemperatureThreshold",),
    "nvlink_domain": ("nvmlDeviceGetGpuFabricInfoV",),
    "nvlinks_active": ("nvmlDeviceGetNvLinkState",),
    "nvlink_peers": ("nvmlDeviceGetNvLinkRemotePciInfo_v2",),
    "utilization_percent": ("nvmlGpmQueryDeviceSupport", "nvmlDeviceGetUtilizationRates"),
    "memory_used_bytes": ("nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetMemoryInfo"),
    "power_milliwatts": ("nvmlDeviceGetPowerUsage",),
    "power_limit_milliwatts": ("nvmlDeviceGetEnforcedPowerLimit",),
    "energy_millijoules": ("nvmlDeviceGetTotalEnergyConsumption",),
    "sm_clock_megahertz": ("nvmlDeviceGetClockInfo",),
    "throttle_reasons": ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"),
    "throttled_nanoseconds": ("nvmlDeviceGetFieldValues", "nvmlDeviceGetViolationStatus"),
    "temperature_celsius": ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature"),
    "ecc_corrected": ("nvmlDeviceGetFieldValues", "nvmlDeviceGetTotalEccErrors"),
    "remap_pending": ("nvmlDeviceGetFieldValues", "nvmlDeviceGetRemappedRows"),
    "retired_pages": ("nvmlDeviceGetFieldValues", "nvmlDeviceGetRetiredPages_v2"),
    "retired_pages_pending": ("nvmlDeviceGetFieldValues", "nvmlDeviceGetRetiredPagesPendingStatus"),
    "pcie_replays": ("nvmlDeviceGetFieldValues", "nvmlDeviceGetPcieReplayCounter"),
    "last_xid": ("nvmlDeviceRegisterEvents",),
    "processes": ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2"),
}
"""Each field and the calls that answer it, of which all must fail before it is absent."""

REASONS = {3: "not_supported", 4: "no_permission", 2: "not_supported", 13: "not_in_library"}


def test_what_cannot_be_had_is_absent_with_its_reason_and_no_fault(reader: Reader, scenario: Scenario) -> None:
    for field, calls in READ.items():
        for code, reason in REASONS.items():
            with scenario.said({f"gpu.1.return.{call}": code for call in calls}):
                well, gpu = reader.gpus(everybody=True)
            said = (gpu[field], gpu["absent"].get(field), gpu["trouble"])
            assert said == (None, reason, None), f"{field} by {calls}"
            assert field not in well["absent"]
            # It has forgotten then what its GPUs do not have.
            reader.close_driver()


def test_an_error_that_nobody_expects_is_trouble_and_its_words_are_kept(reader: Reader, scenario: Scenario) -> None:
    with scenario.said({"gpu.1.return.nvmlDeviceGetPowerUsage": 999}):
        well, sick = reader.gpus()
    mended = reader.gpus()[1]

    assert (well["trouble"], sick["trouble"]) == (None, "nvmlDeviceGetPowerUsage: Unknown Error")
    assert (sick["power_milliwatts"], sick["absent"]["power_milliwatts"]) == (None, "Unknown Error")
    assert sick["energy_millijoules"] == 123456789
    assert (mended["trouble"], mended["power_milliwatts"]) == (None, 350000)
    assert "power_milliwatts" not in mended["absent"]


def test_trouble_with_what_is_asked_seldom_stands_until_it_is_asked_again(reader: Reader, scenario: Scenario) -> None:
    with scenario.said({"gpu.1.return.nvmlDeviceGetEnforcedPowerLimit": 999}):
        first = reader.gpus()[1]["trouble"]
    before, after = reader.later(9).gpus()[1]["trouble"], reader.later(1).gpus()[1]["trouble"]

    assert (first, before, after) == (
        "nvmlDeviceGetEnforcedPowerLimit: Unknown Error",
        "nvmlDeviceGetEnforcedPowerLimit: Unknown Error",
        None,
    )


def test_the_largest_number_that_fits_is_not_available(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.0.power": 0xFFFFFFFF, "gpu.0.energy": 0xFFFFFFFFFFFFFFFF, "gpu.0.memory.used": 2**64 - 1})
    gpu = reader.gpus()[0]

    assert (gpu["power_milliwatts"], gpu["energy_millijoules"], gpu["memory_used_bytes"]) == (None, None, None)
    assert {gpu["absent"][name] for name in ("power_milliwatts", "energy_millijoules", "memory_used_bytes")} == {
        "not_available"
    }
    assert gpu["memory_total_bytes"] == 85899345920


def test_what_a_gpu_does_not_support_is_not_asked_again_before_the_driver_is_reopened(
    reader: Reader, scenario: Scenario
) -> None:
    asked = ("nvmlDeviceGetPowerUsage", "nvmlDeviceGetEnforcedPowerLimit")
    scenario.set({"gpus": 1, **{f"gpu.0.return.{call}": 3 for call in asked}})
    counts: list[list[int]] = []
    for _ in range(3):
        reader.later(10).read()
        counts.append([reader.calls(call) for call in asked])
    scenario.remove(*(f"gpu.0.return.{call}" for call in asked))
    still = reader.later(10).gpus()[0]
    reader.close_driver()
    anew = reader.gpus()[0]

    assert counts == [[1, 1]] * 3
    assert (still["power_milliwatts"], still["absent"]["power_milliwatts"]) == (None, "not_supported")
    assert (anew["power_milliwatts"], anew["power_limit_milliwatts"], anew["absent"].get("power_milliwatts")) == (
        350000,
        700000,
        None,
    )


def test_what_changes_slowly_is_asked_every_ten_seconds_and_the_rest_each_time(
    reader: Reader, scenario: Scenario
) -> None:
    reader.read()
    scenario.set({"gpu.0.clock.sm": 1000, "gpu.0.field.4": 7, "gpu.0.power": 5, "gpu.0.link.0.active": 0})
    soon, late = reader.later(9).gpus()[0], reader.later(1).gpus()[0]
    names = ("sm_clock_megahertz", "ecc_uncorrected", "power_milliwatts", "nvlinks_active")

    assert [soon[name] for name in names] == [1980, 0, 5, 4]
    assert [late[name] for name in names] == [1000, 7, 5, 3]


def test_who_a_gpu_is_is_asked_once(reader: Reader) -> None:
    for _ in range(5):
        reader.later(10).read()

    assert [reader.calls(f"nvmlDeviceGet{what}") for what in ("Name", "Serial", "PciInfo_v3")] == [2, 2, 2]


def test_the_kernel_says_on_which_numa_node_a_gpu_is(start: Start, tmp_path: Path) -> None:
    _numa(tmp_path, "0000:01:00.0", "3")
    _numa(tmp_path, "0000:02:00.0", "-1")

    assert [gpu["numa_node"] for gpu in start().gpus()] == [3, 1]


def _numa(tmp_path: Path, device: str, node: str) -> None:
    folder = tmp_path / "sys/bus/pci/devices" / device
    folder.mkdir(parents=True)
    (folder / "numa_node").write_text(f"{node}\n")


def test_a_library_whose_structures_are_of_another_version_lacks_those_calls(
    reader: Reader, scenario: Scenario
) -> None:
    scenario.set({"gpu.0.return.nvmlDeviceGetGpuFabricInfoV": 25, "gpu.0.return.nvmlDeviceGetMemoryInfo_v2": 25})
    gpu = reader.gpus()[0]

    assert (gpu["nvlink_domain"], gpu["absent"]["nvlink_domain"]) == (None, "not_in_library")
    assert gpu["memory_used_bytes"] == 1073741824 + 536870912


def test_an_architecture_that_is_newer_than_this_agent_is_absent(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.0.architecture": 77, "gpu.1.architecture": 7})
    newer, ampere = reader.gpus()

    assert (newer["architecture"], newer["absent"]["architecture"]) == (None, "unknown number 77")
    assert ampere["architecture"] == "ampere"


def test_links_that_are_down_lead_nowhere_and_a_switch_that_is_hidden_has_no_name(
    reader: Reader, scenario: Scenario
) -> None:
    down: dict[str, Any] = {f"gpu.0.link.{link}.active": 0 for link in (0, 2)}
    hidden = {f"gpu.1.link.{link}.pci": "FFFFFFFF:FF:FF.F" for link in range(4)}
    scenario.set({**down, **hidden})
    some, none = reader.gpus()

    assert (some["nvlinks_active"], some["nvlinks_inactive"], some["nvlink_peers"]) == (2, 2, ["00000000:A1:00.0"])
    assert (none["nvlinks_active"], none["nvlink_peers"]) == (4, [])


def test_errors_of_links_are_added_up_where_the_gpu_tells_no_sum(reader: Reader, scenario: Scenario) -> None:
    scenario.set(
        {"gpu.0.field.38.return": 3, "gpu.0.link.0.errors": 2, "gpu.0.link.1.active": 0, "gpu.0.link.1.errors": 9}
    )

    assert reader.gpus()[0]["nvlink_errors"] == 2 * 4


def test_a_gpu_without_links_has_none_up_and_says_why(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.0.links": 0, "gpu.0.field.91": 0})
    gpu = reader.gpus()[0]

    names = ("nvlinks_active", "nvlinks_inactive", "nvlink_peers", "nvlink_errors")
    assert [(gpu[name], gpu["absent"][name]) for name in names] == [(None, "not_supported")] * 4


def test_a_fabric_that_is_still_being_set_up_is_none(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.0.fabric.state": 2, "gpu.1.fabric.cluster": 0})

    assert [gpu["nvlink_domain"] for gpu in reader.gpus()] == [None, None]


@given(st.integers(0, 2**64 - 1))
def test_every_reason_has_a_name_of_its_own_also_one_that_is_newer_than_this_agent(bits: int) -> None:
    names = reason_names(bits)

    assert len(set(names)) == len(names) == bits.bit_count()
    assert ("hw_thermal_slowdown" in names) == bool(bits & 0x40)
    assert ("bit_20" in names) == bool(bits & 1 << 20)


def test_policies_that_a_gpu_does_not_tell_of_are_left_out(reader: Reader, scenario: Scenario) -> None:
    gone = {f"gpu.0.field.{field}.return": 3 for field in (76, 77, 78, 79)}
    scenario.set({**gone, "gpu.0.return.nvmlDeviceGetViolationStatus": 3})
    gpu = reader.gpus()[0]

    assert gpu["throttled_nanoseconds"] == {"power": 1074, "thermal": 1075}
    assert gpu["absent"].keys() == {"sm_active_percent", "tensor_active_percent", "dram_active_percent"}


NO_TEXT = b"\xff\xfe16".decode(errors="surrogateescape")


def test_an_answer_that_is_no_text_is_absent_and_the_gpu_is_read_all_the_same(
    reader: Reader, scenario: Scenario
) -> None:
    scenario.set({f"gpu.1.{name}": NO_TEXT for name in ("serial", "name", "pci")})
    well, gpu = reader.gpus()
    names = ("serial", "pci_bus_id", "product")

    assert well["serial"] == "160"
    assert [(gpu[name], gpu["absent"][name]) for name in names] == [
        (None, "unreadable"),
        (None, "unreadable"),
        ("unknown", "unreadable"),
    ]
    assert (gpu["trouble"], gpu["temperature_celsius"]) == (None, well["temperature_celsius"])


def test_a_gpu_whose_uuid_is_no_text_is_an_entry_that_says_so(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    with scenario.said({"gpu.1.uuid": NO_TEXT}):
        gpu = reader.gpus()[1]

    assert gpu["uuid"] == "GPU-1"
    assert gpu["trouble"].startswith("the driver says: 'utf-8' codec can't decode")
    assert reader.gpus()[1]["trouble"] is None
