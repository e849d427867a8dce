"""XIDs by NVML's event set: told to who waits, kept for the next reading, and of the physical GPU."""

from pathlib import Path

from agents.nvml.xids import MOST_KINDS
from tests.unit.agents.nvml.conftest import Start
from tests.unit.agents.nvml.library import Scenario
from tests.unit.agents.nvml.reader import Reader

NOW = 1000.0 + 1e9


def test_an_xid_ends_the_wait_and_is_in_the_next_reading_alone(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    reader.wait_apart(60)
    scenario.xid(1, 79)
    told, after, later = reader.waited(), reader.read(), reader.read()

    assert told is True
    assert after["xids"] == [{"gpu": "GPU-1", "xid": 79, "at": NOW, "times": 1}]
    assert [gpu["last_xid"] for gpu in after["gpus"]] == [None, 79]
    assert (later["xids"], later["gpus"][1]["last_xid"]) == ([], 79)
    assert [line["text"] for line in reader.logs() if line["action"] == "nvml.xid"] == ["XID 79 on GPU-1"]


def test_a_reading_takes_the_xids_that_nobody_waited_for_in_their_order(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    for gpu, xid in ((0, 31), (1, 79), (0, 48)):
        scenario.xid(gpu, xid)
    found = reader.read()

    assert [(xid["gpu"], xid["xid"]) for xid in found["xids"]] == [("GPU-0", 31), ("GPU-1", 79), ("GPU-0", 48)]
    assert [gpu["last_xid"] for gpu in found["gpus"]] == [48, 79]


def test_a_reading_does_not_wait_for_who_waits(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    reader.wait_apart(0.5)
    found = reader.read()

    assert (found["xids"], len(found["gpus"])) == ([], 2)
    assert reader.waited() is False


def test_an_xid_of_an_instance_is_of_the_gpu_that_it_is_cut_from(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.0.mig": 1, "gpu.0.instance.0.present": 1, "gpu.0.instance.1.present": 1})
    reader.read()
    scenario.xid(0, 94)
    found = reader.read()

    assert found["xids"] == [{"gpu": "GPU-0", "xid": 94, "at": NOW, "times": 1}]
    assert [gpu["last_xid"] for gpu in found["gpus"]] == [94, 94, None]


def test_the_xid_of_a_gpu_that_fell_off_the_bus_still_has_its_name(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    scenario.xid(1, 79)
    scenario.set({"gpu.1.return": 15})
    found = reader.read()

    assert [(xid["gpu"], xid["xid"]) for xid in found["xids"]] == [("GPU-1", 79)]
    assert (found["gpus"][1]["lost"], found["gpus"][1]["last_xid"]) == ("lost", 79)


def test_one_lost_gpu_does_not_make_the_agent_deaf_to_the_others(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    with scenario.said({"gpu.1.return": 15}):
        reader.read()
        reader.read()
        scenario.xid(0, 31)
        told = reader.wait(60)
        during = reader.read()
    reader.read()
    scenario.xid(1, 43)
    after = reader.read()

    assert (told, [xid["gpu"] for xid in during["xids"]]) == (True, ["GPU-0"])
    assert [xid["gpu"] for xid in after["xids"]] == ["GPU-1"], "it is heard again when it is back"


def test_a_gpu_that_sends_many_xids_at_once_does_not_hold_up_a_reading(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    for _ in range(300):
        scenario.xid(0, 31)
    first, second = reader.read()["xids"], reader.read()["xids"]

    assert [(one["xid"], one["times"]) for one in (*first, *second)] == [(31, 256), (31, 44)]
    assert [line["text"] for line in reader.logs() if line["action"] == "nvml.xid"] == [
        "XID 31 on GPU-0, 256 times",
        "XID 31 on GPU-0, 44 times",
    ]


def test_the_xids_of_one_gpu_push_out_none_of_another(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    reader.wait_apart(60)
    scenario.xid(1, 79)
    assert reader.waited()
    for at in range(256):
        scenario.xid(0, 1000 + at)
    found = [(one["gpu"], one["xid"]) for one in reader.read()["xids"]]

    assert found == [("GPU-1", 79), *(("GPU-0", 1000 + at) for at in range(256 - MOST_KINDS, 256))]


def test_a_driver_without_events_only_takes_its_time(start: Start, scenario: Scenario) -> None:
    scenario.set({"return.nvmlEventSetCreate": 3})
    reader = start()
    gpu = reader.gpus()[0]

    assert reader.wait(0.05) is False
    assert (gpu["last_xid"], gpu["absent"]["last_xid"]) == (None, "not_supported")


def test_a_closed_driver_only_takes_its_time(reader: Reader) -> None:
    reader.read()
    reader.close_driver()

    assert reader.wait(0.05) is False


def test_an_xid_that_came_before_nvml_is_started_anew_is_not_lost(
    start: Start, scenario: Scenario, tmp_path: Path
) -> None:
    bus = tmp_path / "sys/bus/pci/drivers/nvidia"
    for device in ("0000:01:00.0", "0000:02:00.0"):
        (bus / device).mkdir(parents=True)
    reader = start()
    reader.read()
    scenario.xid(1, 79)
    (bus / "0000:02:00.0").rmdir()
    scenario.set({"gpu.1.present": 0})
    found = reader.later(10).read()

    assert ([gpu["uuid"] for gpu in found["gpus"]], [xid["gpu"] for xid in found["xids"]]) == (["GPU-0"], ["GPU-1"])
    assert reader.calls("nvmlInitWithFlags") == 2


def test_a_driver_that_is_closed_and_opened_anew_is_waited_for_still(reader: Reader, scenario: Scenario) -> None:
    reader.read()
    reader.wait_apart(60)
    reader.close_driver()
    freed = reader.calls("nvmlEventSetFree")
    reader.read()
    scenario.xid(0, 31)

    assert (freed, reader.waited()) == (1, True)
    assert reader.gpus()[0]["last_xid"] == 31
