from agents.snapshot import without_readings
from tests.unit.agents.builders import a_gpu, a_sample


def test_without_readings_only_what_a_gpu_is_remains() -> None:
    gpu = without_readings(a_gpu(serial="1234", parent="GPU-whole", last_xid=79), health="suspect", reason="silent")

    assert (gpu.uuid, gpu.serial, gpu.parent, gpu.memory_total_bytes, gpu.last_xid) == (
        "GPU-a",
        "1234",
        "GPU-whole",
        80 << 30,
        79,
    )
    assert (gpu.utilization_percent, gpu.memory_used_bytes, gpu.power_milliwatts) == (None, None, None)
    assert (gpu.energy_millijoules, gpu.temperature_celsius, gpu.ecc_uncorrected, gpu.processes) == (
        None,
        None,
        None,
        None,
    )
    assert (gpu.health, gpu.health_reason) == ("suspect", "silent")


def test_a_sample_finds_its_gpus_by_uuid() -> None:
    assert list(a_sample(a_gpu("GPU-a"), a_gpu("GPU-b")).gpus()) == ["GPU-a", "GPU-b"]
