"""The NVML driver over the real ctypes path: a library with NVML's ABI, compiled here, answers in the GPU's place.

pynvml loads the library once a process, so each case is a process of its own.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]

READ = """
import dataclasses, json, os, sys
from agents.driver import DriverError
from agents.nvml import NvmlDriver
driver = None
for words in json.loads(sys.argv[1]):
    os.environ["NVML_STUB"] = words
    try:
        driver = driver or NvmlDriver(sees_processes=sys.argv[2] == "host")
        said = dataclasses.asdict(driver.read(processes_of=None))
    except DriverError as error:
        said = str(error)
    print(json.dumps(said))
driver and driver.close()
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the compiled library."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is here: install gcc")
    folder = tmp_path_factory.mktemp("nvml")
    built, source = folder / "libnvidia-ml.so.1", Path(__file__).with_name("nvml_stub.c")
    subprocess.run([compiler, "-Wall", "-shared", "-fPIC", "-o", built, source], check=True)
    return folder


def _read(library: Path, *words: str, sees: str = "host", **environ: str) -> list[Any]:
    """What the driver says with each of the words in turn; a text is the error it raised."""
    done = subprocess.run(
        [sys.executable, "-c", READ, json.dumps(words), sees],
        cwd=ROOT,
        env={**os.environ, "LD_LIBRARY_PATH": str(library), **environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _column(snapshot: dict[str, Any], name: str) -> list[Any]:
    return [gpu[name] for gpu in snapshot["gpus"]]


def test_everything_that_a_gpu_says_is_read(library: Path) -> None:
    (found,) = _read(library, "processes")

    assert (found["driver_version"], found["sees_processes"]) == ("570.1", True)
    assert found["gpus"][0] == {
        "uuid": "GPU-0",
        "index": 0,
        "product": "NVIDIA H100 80GB HBM3",
        "parent": None,
        "serial": "160",
        "pci_bus_id": "00000000:01:00.0",
        "health": "ok",
        "health_reason": None,
        "utilization_percent": 42,
        "memory_total_bytes": 85899345920,
        "memory_used_bytes": 1073741824,
        "power_milliwatts": 350000,
        "energy_millijoules": 123456789,
        "temperature_celsius": 61,
        "ecc_uncorrected": 3,
        "last_xid": None,
        "processes": 2,
    }
    assert _column(found, "processes") == [2, 0]


def test_what_is_not_supported_is_unknown_and_no_fault(library: Path) -> None:
    (found,) = _read(library, "plain")
    gpu = found["gpus"][0]
    absent = [name for name, value in gpu.items() if value is None and name not in ("parent", "health_reason")]

    assert gpu["health"] == "ok"
    assert absent == [
        "serial",
        "pci_bus_id",
        "utilization_percent",
        "memory_used_bytes",
        "power_milliwatts",
        "energy_millijoules",
        "temperature_celsius",
        "ecc_uncorrected",
        "last_xid",
        "processes",
    ]


@pytest.mark.parametrize(
    ("word", "health", "reason"),
    [
        pytest.param("lost", "unhealthy", "the GPU is lost", id="lost"),
        pytest.param("reset", "unhealthy", "must be reset", id="needs a reset"),
    ],
)
def test_a_gpu_that_goes_away_is_an_entry_that_says_so_and_comes_back(
    library: Path, word: str, health: str, reason: str
) -> None:
    well, sick, mended = _read(library, "", word, "")

    assert _column(well, "health") == ["ok", "ok"]
    assert _column(sick, "health") == ["ok", health]
    assert reason in sick["gpus"][1]["health_reason"]
    assert (sick["gpus"][1]["uuid"], sick["gpus"][1]["utilization_percent"], sick["gpus"][1]["processes"]) == (
        "GPU-1",
        None,
        None,
    )
    assert mended == well


def test_a_gpu_lost_before_it_was_ever_named_leaves_the_others(library: Path) -> None:
    (found,) = _read(library, "lost")

    assert _column(found, "uuid") == ["GPU-0"]


def test_an_error_that_nobody_expects_makes_a_gpu_suspect(library: Path) -> None:
    (found,) = _read(library, "broken")

    assert _column(found, "health") == ["ok", "suspect"]
    assert "Unknown Error" in found["gpus"][1]["health_reason"]
    assert found["gpus"][1]["power_milliwatts"] is None


def test_each_mig_instance_is_a_gpu_and_what_it_is_cut_from_is_none(library: Path) -> None:
    (found,) = _read(library, "mig processes")

    assert _column(found, "uuid") == ["MIG-0-1", "MIG-0-2", "GPU-1"]
    assert _column(found, "index") == [0, 1, 2]
    assert _column(found, "parent") == ["GPU-0", "GPU-0", None]
    assert found["gpus"][0]["product"] == "NVIDIA H100 80GB HBM3 MIG 3g.40gb"
    assert found["gpus"][0]["memory_total_bytes"] == 42949672960
    assert (found["gpus"][0]["energy_millijoules"], found["gpus"][0]["health"]) == (None, "ok")


def test_cutting_a_gpu_while_the_agent_runs_changes_the_devices(library: Path) -> None:
    whole, cut = _read(library, "", "mig")

    assert _column(whole, "uuid") == ["GPU-0", "GPU-1"]
    assert _column(cut, "uuid") == ["MIG-0-1", "MIG-0-2", "GPU-1"]


@pytest.mark.parametrize(
    ("xid", "want"), [pytest.param(79, "unhealthy", id="a fatal one"), pytest.param(13, "ok", id="the workload's own")]
)
def test_an_xid_event_is_kept_and_judged(library: Path, xid: int, want: str) -> None:
    before, after, later = _read(library, "", f"xid={xid}", f"xid={xid}")

    assert _column(before, "last_xid") == [None, None]
    assert _column(after, "last_xid") == [None, xid]
    assert _column(later, "health") == ["ok", want]


def test_processes_that_cannot_be_seen_are_unknown_and_never_none(library: Path) -> None:
    (found,) = _read(library, "processes", sees="container")

    assert (found["sees_processes"], _column(found, "processes")) == (False, [None, None])


def test_a_driver_that_goes_away_is_an_error_until_it_is_back(library: Path) -> None:
    well, gone, back = _read(library, "", "gone", "")

    assert gone.startswith("NVML does not answer")
    assert back == well


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
def test_a_start_without_a_driver_says_what_is_missing(library: Path, code: int, said: str) -> None:
    (error,) = _read(library, "", NVML_STUB_INIT=str(code))

    assert said in error


def test_a_library_that_is_not_nvml_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"not a library")
    (error,) = _read(tmp_path, "")

    assert "libnvidia-ml.so.1 is not here" in error


def test_only_the_hosts_own_pid_namespace_shows_the_hosts_processes() -> None:
    from agents.nvml import sees_host_processes

    assert sees_host_processes() == (Path("/proc/self/ns/pid").stat().st_ino == 0xEFFFFFFC)
