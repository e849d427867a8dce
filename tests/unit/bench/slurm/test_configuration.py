"""What Slurm is told."""

from pathlib import Path

import pytest

from bench.slurm import configuration
from bench.slurm.configuration import Site

SITE = Site(folder=Path("/tmp/here"), host="vm", user="root", port=7001)
CLOUD = configuration.cloud(SITE, nodes=1250, node_port=7002, interval_s=30)
REAL = configuration.real(SITE, node_ports=[7003, 7004], interval_s=10)


def settings(text: str) -> dict[str, str]:
    """A setting given twice would be an error of ours."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name not in ("NodeName", "PartitionName"):
            assert name not in found
            found[name] = value
    return found


def nodes(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("NodeName=")]


@pytest.mark.parametrize("text", [CLOUD, REAL], ids=["cloud", "real"])
def test_everything_listens_on_the_loopback_and_writes_into_its_folder(text: str) -> None:
    found = settings(text)
    assert found["SlurmctldHost"] == "vm(127.0.0.1)"
    assert found["SlurmctldPort"] == "7001"
    assert found["CommunicationParameters"] == "NoCtldInAddrAny,NoInAddrAny"
    assert found["AuthInfo"] == "socket=/tmp/here/munge.socket"
    paths = [found[name] for name in ("StateSaveLocation", "SlurmdSpoolDir", "SlurmctldPidFile", "SlurmctldLogFile")]
    assert all(path.startswith("/tmp/here/") for path in paths)


@pytest.mark.parametrize("text", [CLOUD, REAL], ids=["cloud", "real"])
def test_the_whole_queue_is_planned_over_fourteen_days(text: str) -> None:
    planning = settings(text)["SchedulerParameters"].split(",")
    assert {"bf_window=20160", "bf_max_job_test=5000", "bf_continue"} <= set(planning)


def test_cloud_nodes_never_boot_and_hold_their_jobs() -> None:
    found = settings(CLOUD)
    assert (found["ResumeProgram"], found["ResumeTimeout"], found["PrivateData"]) == ("/bin/true", "65000", "cloud")
    assert nodes(CLOUD) == [
        "NodeName=n[0001-1250] CPUs=96 Sockets=2 CoresPerSocket=48 ThreadsPerCore=1 RealMemory=1000000 Gres=gpu:8 State=CLOUD"
    ]


def test_real_nodes_have_a_port_each_and_are_never_suspended() -> None:
    found = settings(REAL)
    assert [line.split()[:3] for line in nodes(REAL)] == [
        ["NodeName=n01", "NodeAddr=127.0.0.1", "Port=7003"],
        ["NodeName=n02", "NodeAddr=127.0.0.1", "Port=7004"],
    ]
    assert "bf_interval=10" in found["SchedulerParameters"]
    assert not {"SlurmdPort", "SuspendProgram", "ResumeProgram"} & set(found)
    assert found["SlurmdSpoolDir"] == "/tmp/here/spool/%n"


def test_the_gpus_of_real_nodes_are_files() -> None:
    assert configuration.gres(Path("/tmp/here/gpus")) == "Name=gpu File=/tmp/here/gpus/gpu[0-7]\n"
