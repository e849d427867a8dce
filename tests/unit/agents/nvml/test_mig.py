"""GPUs that are cut into MIG instances, cut anew, and half done."""

from typing import Any

from tests.unit.agents.nvml.library import Scenario
from tests.unit.agents.nvml.reader import Reader

OF_WHOLE = (
    *(
        "power_milliwatts",
        "power_limit_milliwatts",
        "energy_millijoules",
        "sm_clock_megahertz",
        "memory_clock_megahertz",
    ),
    *(
        "throttle_reasons",
        "throttled_nanoseconds",
        "temperature_celsius",
        "memory_temperature_celsius",
        "slowdown_celsius",
    ),
    *("ecc_corrected", "ecc_uncorrected", "ecc_uncorrected_lifetime", "remapped_rows_corrected", "remap_pending"),
    *("retired_pages", "nvlinks_active", "nvlink_errors", "nvlink_peers", "nvlink_domain", "pcie_replays"),
)


def _cut(*places: int, gpu: int = 0, **more: object) -> dict[str, Any]:
    there = {f"gpu.{gpu}.instance.{at}.present": 1 for at in places}
    return {f"gpu.{gpu}.mig": 1, **there, **{f"gpu.{gpu}.{name}": value for name, value in more.items()}}


def test_each_instance_is_a_gpu_and_what_it_is_cut_from_is_none(reader: Reader, scenario: Scenario) -> None:
    scenario.set(_cut(0, 3))
    scenario.set({"gpu.0.instance.3.gi": 5, "gpu.0.instance.3.ci": 1, "gpu.0.instance.3.memory.total": 42949672960})
    gpus = reader.gpus()

    assert [(gpu["uuid"], gpu["index"], gpu["parent"]) for gpu in gpus] == [
        ("MIG-0-0", 0, "GPU-0"),
        ("MIG-0-3", 1, "GPU-0"),
        ("GPU-1", 2, None),
    ]
    assert (gpus[1]["product"], gpus[1]["mig_profile"], gpus[1]["mig_instance"]) == (
        "NVIDIA H100 80GB HBM3 MIG 3g.40gb",
        "3g.40gb",
        "5/1",
    )
    assert (gpus[1]["memory_total_bytes"], gpus[1]["memory_used_bytes"]) == (42949672960, 1073741824)
    assert (gpus[1]["serial"], gpus[1]["pci_bus_id"], gpus[1]["architecture"]) == ("160", "00000000:01:00.0", "hopper")


def test_what_is_told_of_the_whole_gpu_alone_is_absent_for_an_instance(reader: Reader, scenario: Scenario) -> None:
    scenario.set(_cut(0))
    gpu = reader.gpus()[0]

    assert [(name, gpu[name], gpu["absent"].get(name)) for name in OF_WHOLE] == [
        (name, None, "mig") for name in OF_WHOLE
    ]
    assert gpu["trouble"] is None
    assert reader.calls("nvmlDeviceGetTotalEnergyConsumption") == 2, "of the whole GPUs alone"


def test_an_instance_has_counters_of_its_own(reader: Reader, scenario: Scenario) -> None:
    scenario.set({**_cut(0, 1), "gpu.0.gi.1.gpm.1": 10, "gpu.0.gi.2.gpm.1": 90})
    reader.read()
    gpus = reader.later(1).gpus()

    assert [(gpu["utilization_percent"], gpu["utilization_source"]) for gpu in gpus[:2]] == [(10, "gpm"), (90, "gpm")]
    assert gpus[0]["sm_active_percent"] == 72


def test_counters_that_several_compute_instances_share_are_nobodys(reader: Reader, scenario: Scenario) -> None:
    scenario.set({**_cut(0, 1, 2), "gpu.0.instance.1.gi": 1, "gpu.0.instance.1.ci": 1})
    reader.read()
    gpus = reader.later(1).gpus()

    assert [(gpu["utilization_percent"], gpu["absent"].get("utilization_percent")) for gpu in gpus[:3]] == [
        (None, "mig"),
        (None, "mig"),
        (71, None),
    ]


def test_an_instance_of_a_gpu_without_counters_says_nothing_of_its_use(reader: Reader, scenario: Scenario) -> None:
    scenario.set({**_cut(0), "all.gpm": 0, "gpu.0.gpm": 0})
    reader.read()
    gpu = reader.later(1).gpus()[0]

    assert (gpu["utilization_percent"], gpu["utilization_source"]) == (None, None)
    assert gpu["absent"]["utilization_percent"] == "mig"


def test_a_profile_that_the_name_does_not_tell_is_told_by_its_sizes(reader: Reader, scenario: Scenario) -> None:
    bare = {f"gpu.0.instance.{at}.name": "NVIDIA H100 80GB HBM3" for at in (0, 1)}
    sizes = {"gpu.0.instance.1.slices": 4, "gpu.0.instance.1.compute_slices": 1, "gpu.0.instance.1.mib": 40448}
    scenario.set({**_cut(0, 1), **bare, **sizes})
    gpus = reader.gpus()[:2]

    assert [gpu["mig_profile"] for gpu in gpus] == ["3g.40gb", "1c.4g.40gb"]
    assert [gpu["product"] for gpu in gpus] == [
        "NVIDIA H100 80GB HBM3 MIG 3g.40gb",
        "NVIDIA H100 80GB HBM3 MIG 1c.4g.40gb",
    ], "of two profiles are two products, and so never one pool"


def test_cutting_a_gpu_while_the_agent_runs_changes_the_devices_and_so_does_making_it_whole(
    reader: Reader, scenario: Scenario
) -> None:
    whole = reader.gpus()
    scenario.set(_cut(0, 1))
    cut = reader.later(1).gpus()
    scenario.set({"gpu.0.instance.1.present": 0, "gpu.0.instance.2.present": 1})
    cut_anew = reader.later(1).gpus()
    scenario.set({"gpu.0.mig": 0})
    whole_again = reader.later(1).gpus()

    assert [gpu["uuid"] for gpu in whole] == ["GPU-0", "GPU-1"]
    assert [gpu["uuid"] for gpu in cut] == ["MIG-0-0", "MIG-0-1", "GPU-1"]
    assert [gpu["uuid"] for gpu in cut_anew] == ["MIG-0-0", "MIG-0-2", "GPU-1"]
    assert [gpu["uuid"] for gpu in whole_again] == ["GPU-0", "GPU-1"]
    assert whole_again[0]["energy_millijoules"] == whole[0]["energy_millijoules"]


def test_what_a_gpu_lacks_while_it_is_cut_it_has_again_when_it_is_whole(reader: Reader, scenario: Scenario) -> None:
    with scenario.said({"gpu.0.return.nvmlDeviceGetUtilizationRates": 3, **_cut(0)}):
        reader.read()
    gpu = reader.later(1).gpus()[0]

    assert (gpu["uuid"], gpu["utilization_percent"]) == ("GPU-0", 42)


def test_a_gpu_that_is_on_for_mig_without_instances_is_no_gpu_and_that_is_said_once(
    reader: Reader, scenario: Scenario
) -> None:
    scenario.set({"gpu.0.mig": 1})
    found = [reader.gpus() for _ in range(3)][-1]
    said = [line for line in reader.logs() if line["action"] == "nvml.mig"]

    assert [gpu["uuid"] for gpu in found] == ["GPU-1"]
    assert [line["level"] for line in said] == ["WARNING"]
    assert "nvidia-smi mig -i GPU-0 -cgi" in said[0]["text"]


def test_a_mode_that_waits_for_a_reset_is_trouble_and_says_what_to_do(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.0.mig.pending": 1, **_cut(0, gpu=1), "gpu.1.mig.pending": 0})
    whole, instance = [reader.gpus() for _ in range(2)][-1]

    assert "MIG will be on after the next reset of GPU-0" in whole["trouble"]
    assert "nvidia-smi -i GPU-0 -mig 0" in whole["trouble"]
    assert "MIG will be off after the next reset of GPU-1" in instance["trouble"]
    assert len([line for line in reader.logs() if line["action"] == "nvml.mig"]) == 2


def test_all_instances_of_a_gpu_that_is_lost_are_lost(reader: Reader, scenario: Scenario) -> None:
    scenario.set(_cut(0, 1))
    reader.read()
    scenario.set({"gpu.0.return": 15})
    gpus = reader.gpus()

    assert [(gpu["uuid"], gpu["lost"], gpu["mig_profile"]) for gpu in gpus] == [
        ("MIG-0-0", "lost", "3g.40gb"),
        ("MIG-0-1", "lost", "3g.40gb"),
        ("GPU-1", None, None),
    ]


def test_a_layout_that_cannot_be_told_never_makes_instances_vanish(reader: Reader, scenario: Scenario) -> None:
    scenario.set(_cut(0, 1))
    reader.read()
    for function in ("nvmlDeviceGetMigMode", "nvmlDeviceGetMigDeviceHandleByIndex", "nvmlDeviceGetMaxMigDeviceCount"):
        with scenario.said({f"gpu.0.return.{function}": 999}):
            gpus = reader.gpus()
        assert [gpu["uuid"] for gpu in gpus] == ["MIG-0-0", "MIG-0-1", "GPU-1"]
        assert gpus[0]["trouble"] == f"the driver says: {function}: Unknown Error"
    assert reader.gpus()[0]["trouble"] is None


def test_a_gpu_that_is_cut_says_itself_what_is_of_the_whole_of_it(reader: Reader, scenario: Scenario) -> None:
    whole = reader.gpus()[1]
    scenario.set(_cut(0, 1, gpu=1))
    found = reader.later(11).read(everybody=True)
    (card,) = found["cards"]
    of_instances = ("utilization_percent", "sm_active_percent", "memory_total_bytes", "memory_used_bytes", "processes")

    assert [gpu["uuid"] for gpu in found["gpus"]] == ["GPU-0", "MIG-1-0", "MIG-1-1"]
    assert (card["uuid"], card["index"], card["parent"], card["serial"]) == ("GPU-1", 1, None, whole["serial"])
    assert {name: card[name] for name in OF_WHOLE} == {name: whole[name] for name in OF_WHOLE}
    assert [(card[name], card["absent"].get(name)) for name in of_instances] == [(None, "mig")] * len(of_instances)


def test_a_gpu_that_is_cut_is_lost_with_its_instances_and_is_no_card_once_it_is_whole(
    reader: Reader, scenario: Scenario
) -> None:
    scenario.set(_cut(0))
    reader.read()
    with scenario.said({"gpu.0.return": 15}):
        (lost,) = reader.read()["cards"]
    back = reader.later(1).read()["cards"]
    scenario.set({"gpu.0.mig": 0})
    whole = reader.later(1).read()["cards"]

    assert (lost["uuid"], lost["lost"], lost["energy_millijoules"]) == ("GPU-0", "lost", None)
    assert [(card["uuid"], card["lost"], card["energy_millijoules"]) for card in back] == [("GPU-0", None, 123456789)]
    assert whole == []


def test_a_gpu_that_is_on_for_mig_without_instances_is_read_all_the_same(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.0.mig": 1})
    (card,) = reader.read()["cards"]

    assert (card["uuid"], card["temperature_celsius"], card["trouble"]) == ("GPU-0", 61, None)
