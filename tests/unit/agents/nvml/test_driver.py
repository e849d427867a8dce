"""GPUs that come, go, fail and come back between two readings, and a driver that does."""

from pathlib import Path

import pytest

from tests.unit.agents.nvml.conftest import Start
from tests.unit.agents.nvml.library import Scenario
from tests.unit.agents.nvml.reader import Reader


@pytest.mark.parametrize(
    ("code", "lost"),
    [pytest.param(15, "lost", id="lost"), pytest.param(16, "reset_required", id="needs a reset")],
)
def test_a_gpu_that_goes_away_is_an_entry_that_says_so_and_comes_back(
    reader: Reader, scenario: Scenario, code: int, lost: str
) -> None:
    well = reader.gpus()
    with scenario.said({"gpu.1.return": code}):
        sick = reader.gpus()
    mended = reader.gpus()

    assert [gpu["lost"] for gpu in sick] == [None, lost]
    assert (sick[1]["uuid"], sick[1]["index"], sick[1]["serial"]) == ("GPU-1", 1, "161")
    assert (sick[1]["utilization_percent"], sick[1]["power_milliwatts"], sick[1]["processes"]) == (None, None, None)
    assert sick[1]["trouble"] is None
    assert mended[1] == well[1]


def test_a_gpu_that_is_lost_in_the_middle_of_a_reading_is_lost(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    with scenario.said({"gpu.1.return.nvmlDeviceGetTotalEnergyConsumption": 15}):
        sick = reader.gpus()

    assert (sick[1]["lost"], sick[1]["memory_used_bytes"], sick[0]["lost"]) == ("lost", None, None)


def test_a_lost_gpu_that_one_field_tells_of_is_lost(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    scenario.set({"gpu.1.field.4.return": 15})

    assert [gpu["lost"] for gpu in reader.later(10).gpus()] == [None, "lost"]


def test_what_a_lost_gpu_said_before_does_not_stand_when_it_is_back(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.1.return.nvmlDeviceGetPowerUsage": 3})
    reader.read()
    scenario.remove("gpu.1.return.nvmlDeviceGetPowerUsage")
    with scenario.said({"gpu.1.return": 16}):
        reader.read()
    scenario.set({"gpu.1.clock.sm": 345})
    back = reader.gpus()[1]

    assert (back["power_milliwatts"], back["sm_clock_megahertz"]) == (350000, 345)


def test_a_gpu_lost_before_it_was_ever_named_leaves_the_others_and_is_told_of_once(
    start: Start, scenario: Scenario
) -> None:
    scenario.set({"gpu.1.return": 15})
    reader = start()
    found = [reader.gpus() for _ in range(3)][-1]

    assert [gpu["uuid"] for gpu in found] == ["GPU-0"]
    assert [line["text"] for line in reader.logs() if line["action"] == "nvml.unnamed"] == [
        "GPU 1 cannot be named: lost"
    ]


def test_a_gpu_that_gives_an_error_for_its_name_is_in_trouble(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    scenario.set({"gpu.0.return.nvmlDeviceGetUUID": 999})
    sick = reader.gpus()[0]

    assert (sick["uuid"], sick["lost"], sick["trouble"]) == ("GPU-0", None, "the driver says: Unknown Error")


def test_a_gpu_that_is_taken_out_vanishes_with_all_that_was_known_of_it(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpus": 3})
    before = reader.gpus()
    scenario.set({"gpu.1.present": 0})
    after = reader.gpus()

    assert [gpu["uuid"] for gpu in before] == ["GPU-0", "GPU-1", "GPU-2"]
    assert [(gpu["uuid"], gpu["index"]) for gpu in after] == [("GPU-0", 0), ("GPU-2", 1)]


def test_a_gpu_that_is_lost_keeps_its_name_when_another_is_taken_out(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpus": 3})
    reader.read()
    scenario.set({"gpu.2.return": 15})
    reader.read()
    scenario.set({"gpu.0.present": 0})
    after = reader.gpus()

    assert [(gpu["uuid"], gpu["index"], gpu["lost"]) for gpu in after] == [("GPU-1", 0, None), ("GPU-2", 1, "lost")]


def test_a_gpu_that_is_put_in_is_seen_once_the_kernel_has_it(start: Start, scenario: Scenario, tmp_path: Path) -> None:
    bus = tmp_path / "sys/bus/pci/drivers/nvidia"
    for device in ("0000:01:00.0", "0000:02:00.0"):
        (bus / device).mkdir(parents=True)
    reader = start()
    reader.read()
    starts = reader.calls("nvmlInitWithFlags")
    (bus / "0000:03:00.0").mkdir()
    scenario.set({"gpus": 3})
    reader.later(10)
    gpus = reader.gpus()
    reader.later(10).read()

    assert [gpu["uuid"] for gpu in gpus] == ["GPU-0", "GPU-1", "GPU-2"]
    assert (starts, reader.calls("nvmlInitWithFlags"), reader.calls("nvmlShutdown")) == (1, 2, 1)


def test_another_gpu_in_the_same_place_is_asked_who_it_is(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    scenario.set({"gpu.0.uuid": "GPU-new", "gpu.0.serial": "999", "gpu.0.name": "NVIDIA H200"})
    gpu = reader.gpus()[0]

    assert (gpu["uuid"], gpu["serial"], gpu["product"]) == ("GPU-new", "999", "NVIDIA H200")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param({"return.nvmlDeviceGetCount_v2": 1}, "NVML does not answer: Uninitialized", id="when it counts"),
        pytest.param({"gpu.1.return": 9}, "the NVIDIA kernel driver is not loaded", id="when a GPU is asked"),
        pytest.param({"return.nvmlDeviceGetCount_v2": 999}, "NVML does not answer: Unknown Error", id="anyhow"),
    ],
)
def test_a_driver_that_goes_away_is_an_error_until_it_is_back(
    reader: Reader, scenario: Scenario, lines: dict[str, object], said: str
) -> None:
    well = reader.gpus()
    with scenario.said(lines):
        errors = [reader.read()["error"] for _ in range(2)]
    back = reader.gpus()

    assert [said in error for error in errors] == [True, True]
    assert back == well


def test_a_driver_that_is_closed_starts_anew_with_the_next_reading(reader: Reader) -> None:
    well = reader.gpus()
    reader.close_driver()

    assert reader.gpus() == well


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(9, "the NVIDIA kernel driver is not loaded", id="no kernel driver"),
        pytest.param(4, "/dev/nvidiactl may not be opened", id="no permission"),
        pytest.param(18, "of different versions", id="an old library"),
        pytest.param(13, "is here but is not NVML", id="another library"),
        pytest.param(999, "NVML does not answer", id="anything else"),
    ],
)
def test_a_start_without_a_driver_says_what_is_missing_and_may_be_tried_again(
    start: Start, scenario: Scenario, code: int, said: str
) -> None:
    reader = start()
    with scenario.said({"return.nvmlInitWithFlags": code}):
        error = reader.read()["error"]

    assert said in error
    assert len(reader.gpus()) == 2


def test_no_library_and_a_file_that_is_none_are_said_to_be_so(start: Start, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "libnvidia-ml.so.1").write_bytes(b"not a library")

    assert "libnvidia-ml.so.1 is not here" in start(library=wrong).read()["error"]


def test_nothing_is_kept_of_gpus_that_are_gone(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.0.mig": 1, "gpu.0.instance.0.present": 1})
    found: list[str] = []
    for turn in range(20):
        scenario.set({"gpu.0.instance.0.uuid": f"MIG-{turn}", "gpu.1.uuid": f"GPU-{turn}"})
        found = [gpu["uuid"] for gpu in reader.gpus()]

    assert found == ["MIG-19", "GPU-19"]
    assert reader.calls("nvmlGpmSampleAlloc") - reader.calls("nvmlGpmSampleFree") == 4
