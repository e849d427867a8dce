"""Who is on a GPU: asked only where it is wanted, and joined with the host's /proc."""

from pathlib import Path

import pytest

from agents.nvml.processes import sees_host_processes
from tests.unit.agents.nvml.conftest import Start
from tests.unit.agents.nvml.library import Scenario
from tests.unit.agents.nvml.reader import Reader

CONTAINER = "0123456789abcdef" * 4
POD = "11111111-2222-3333-4444-555555555555"
CGROUP = f"/kubepods.slice/kubepods-pod{POD.replace('-', '_')}.slice/cri-containerd-{CONTAINER}.scope"


def a_process(proc: Path, pid: int, *, name: str = "python", cgroup: str = CGROUP, command: str = "") -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "comm").write_text(f"{name[:15]}\n")
    (folder / "cmdline").write_text(f"{command or name}\0-c\0")
    (folder / "cgroup").write_text(f"0::{cgroup}\n")
    (folder / "stat").write_text(f"{pid} ({name[:15]}) S " + " ".join(str(at) for at in range(4, 53)) + "\n")
    (proc / "stat").write_text("cpu 1 2 3\nbtime 1800000000\n")


def test_processes_are_joined_with_what_the_host_says_of_them(start: Start, scenario: Scenario, tmp_path: Path) -> None:
    a_process(tmp_path / "proc", 41)
    scenario.set({"gpu.0.processes": "41"})
    gpu = start().gpus("GPU-0")[0]

    assert gpu["processes"] == 1
    assert gpu["seen"] == [
        {
            "pid": 41,
            "kind": "compute",
            "name": "python",
            "used_memory_bytes": 1 << 30,
            "started_at": 1800000000 + 22 / 100,
            "cgroup": CGROUP,
            "container": CONTAINER,
            "pod": POD,
        }
    ]


def test_only_the_gpus_that_are_named_are_asked(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"all.processes": "41"})
    nobody, one, everybody = reader.gpus(), reader.gpus("GPU-1"), reader.gpus(everybody=True)

    assert [gpu["processes"] for gpu in nobody] == [None, None]
    assert [gpu["processes"] for gpu in one] == [None, 1]
    assert [gpu["processes"] for gpu in everybody] == [1, 1]
    assert "processes" not in nobody[0]["absent"]


def test_a_process_that_is_gone_meanwhile_still_counts(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.0.processes": "41,42"})
    gpu = reader.gpus("GPU-0")[0]

    assert (gpu["processes"], [one["pid"] for one in gpu["seen"]]) == (2, [41, 42])
    assert {one[name] for one in gpu["seen"] for name in ("name", "started_at", "cgroup", "container", "pod")} == {None}


def test_processes_that_are_always_allowed_do_not_count(start: Start, scenario: Scenario, tmp_path: Path) -> None:
    persistenced = {"name": "nvidia-persistenced", "command": "/usr/bin/nvidia-persistenced"}
    a_process(tmp_path / "proc", 41, cgroup="/system.slice/nvidia-persistenced.service", **persistenced)
    a_process(tmp_path / "proc", 42, cgroup="/user.slice/user-0.slice/session-3.scope", name="nvidia-smi")
    a_process(tmp_path / "proc", 43, cgroup="/user.slice/user-0.slice/session-3.scope", name="miner")
    scenario.set({"gpu.0.processes": "41,42,43"})
    gpu = start(allowed=["nvidia-persistenced", "nvidia-smi"]).gpus("GPU-0")[0]

    assert (gpu["processes"], [one["name"] for one in gpu["seen"]]) == (1, ["miner"])


@pytest.mark.parametrize(
    "cgroup",
    [
        pytest.param(CGROUP, id="a pod"),
        pytest.param(f"/system.slice/docker-{CONTAINER}.scope", id="a container alone"),
        pytest.param(None, id="nobody knows"),
    ],
)
def test_who_calls_itself_as_what_is_allowed_from_inside_a_container_counts(
    start: Start, scenario: Scenario, tmp_path: Path, cgroup: str | None
) -> None:
    a_process(tmp_path / "proc", 41, cgroup=cgroup or "", name="nvidia-smi", command="python3")
    if cgroup is None:
        (tmp_path / "proc/41/cgroup").unlink()
    scenario.set({"gpu.0.processes": "41"})
    gpu = start(allowed=["nvidia-smi"]).gpus("GPU-0")[0]

    assert (gpu["processes"], [one["name"] for one in gpu["seen"]]) == (1, ["nvidia-smi"])


def test_a_process_of_several_kinds_counts_once_and_all_kinds_are_seen(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.0.processes": "41", "gpu.0.mps": "41,42", "gpu.0.graphics": "42,43"})
    gpu = reader.gpus("GPU-0")[0]

    assert [(one["pid"], one["kind"]) for one in gpu["seen"]] == [(41, "compute"), (42, "compute"), (43, "graphics")]


def test_a_gpu_that_cannot_have_graphics_has_no_such_process(reader: Reader, scenario: Scenario) -> None:
    unable = ("nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetMPSComputeRunningProcesses_v3")
    scenario.set({"gpu.0.processes": "41", **{f"return.{call}": 3 for call in unable}})
    found = [reader.gpus("GPU-0")[0]["processes"] for _ in range(2)]

    assert found == [1, 1]


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param(["ComputeRunningProcesses_v3", "ComputeRunningProcesses_v2"], id="compute"),
        pytest.param(["GraphicsRunningProcesses_v3"], id="graphics"),
        pytest.param(["MPSComputeRunningProcesses_v3"], id="clients of MPS"),
    ],
)
def test_a_list_that_cannot_be_told_whole_is_unknown_and_never_none(
    reader: Reader, scenario: Scenario, calls: list[str]
) -> None:
    with scenario.said({f"return.nvmlDeviceGet{call}": 999 for call in calls}):
        gpu = reader.gpus("GPU-0")[0]

    assert (gpu["processes"], gpu["absent"]["processes"]) == (None, "Unknown Error")
    assert reader.gpus("GPU-0")[0]["processes"] == 0


def test_processes_that_are_hidden_are_unavailable_and_never_none(start: Start, scenario: Scenario) -> None:
    scenario.set({"gpu.0.processes": "41"})
    reader = start(sees_processes=False)
    found = reader.read(everybody=True)

    assert (found["sees_processes"], [gpu["processes"] for gpu in found["gpus"]]) == (False, [None, None])
    assert found["gpus"][0]["absent"]["processes"] == "unavailable"
    assert reader.calls("nvmlDeviceGetComputeRunningProcesses_v3") == 0


def test_processes_of_an_instance_are_asked_of_the_instance(reader: Reader, scenario: Scenario) -> None:
    scenario.set({"gpu.0.mig": 1, "gpu.0.instance.0.present": 1, "gpu.0.instance.1.present": 1})
    scenario.set({"gpu.0.instance.1.processes": "41"})

    assert [gpu["processes"] for gpu in reader.gpus("MIG-0-0", "MIG-0-1")] == [0, 1, None]


def test_only_the_hosts_own_pid_namespace_shows_the_hosts_processes() -> None:
    assert sees_host_processes() == (Path("/proc/self/ns/pid").stat().st_ino == 0xEFFFFFFC)
