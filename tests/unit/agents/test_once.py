import json

from agents import once
from agents.snapshot import Process, Snapshot
from tests.unit.agents.builders import GIB, a_gpu

SEEN = (Process(pid=4711, name="python", used_memory_bytes=9 * GIB), Process(pid=12))


def test_a_person_sees_every_gpu_on_a_line_with_its_processes_below() -> None:
    gpus = (
        a_gpu(processes=2, seen=SEEN),
        a_gpu(
            "GPU-b",
            index=1,
            health="unhealthy",
            health_reason="XID 79: restart the node",
            utilization_percent=None,
            memory_used_bytes=None,
            power_milliwatts=None,
            temperature_celsius=None,
            processes=None,
        ),
        a_gpu("MIG-c", index=2, mig_profile="1g.10gb", processes=0),
    )
    said = once.as_table(Snapshot(gpus=gpus, driver_version="570.1", sees_processes=True))

    assert said == (
        "driver 570.1, CUDA -, 3 GPUs\n"
        "\n"
        "GPU  PRODUCT                        UUID   HEALTH     BUSY  MEMORY           POWER  TEMPERATURE\n"
        "0    NVIDIA H100 80GB HBM3          GPU-a  ok         50 %  10.0 / 80.0 GiB  350 W  55 C\n"
        "     process 4711 python, 9.0 GiB\n"
        "     process 12 -, - GiB\n"
        "1    NVIDIA H100 80GB HBM3          GPU-b  unhealthy  -     - / 80.0 GiB     -      -\n"
        "     unhealthy: XID 79: restart the node\n"
        "     processes: -\n"
        "2    NVIDIA H100 80GB HBM3 1g.10gb  MIG-c  ok         50 %  10.0 / 80.0 GiB  350 W  55 C"
    )


def test_a_node_without_gpus_has_a_table_too() -> None:
    assert "0 GPUs" in once.as_table(Snapshot(gpus=()))
    assert "processes: unavailable" in once.as_table(Snapshot(gpus=()))


def test_as_json_it_is_the_whole_snapshot() -> None:
    gpu = a_gpu(seen=SEEN, absent={"serial": "not_supported"}, throttle_reasons=("sw_power_cap",))
    found = json.loads(once.as_json(Snapshot(gpus=(gpu,))))["gpus"][0]

    assert (found["uuid"], found["serial"], found["seen"][0]["pid"]) == ("GPU-a", None, 4711)
    assert (found["absent"], found["throttle_reasons"]) == ({"serial": "not_supported"}, ["sw_power_cap"])
