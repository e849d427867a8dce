"""The same driver over NVIDIA's own library, on a machine that has a GPU."""

import ctypes

import pytest

from agents.nvml import NvmlDriver


def _gpus_here() -> int:
    """How many NVIDIA's own library counts; 0 where it is not, or has no driver beneath it."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return 0
    count = ctypes.c_uint(0)
    known = library.nvmlInit_v2() == 0 and library.nvmlDeviceGetCount_v2(ctypes.byref(count)) == 0
    return count.value if known else 0


@pytest.mark.skipif(not _gpus_here(), reason="no NVIDIA GPU is here")
def test_a_real_gpu_is_read_without_trouble() -> None:
    driver = NvmlDriver(sees_processes=True)
    snapshot = driver.read(processes_of=None)
    waited = driver.wait(0.1)
    driver.close()

    assert snapshot.driver_version
    assert snapshot.cuda_version
    assert snapshot.gpus
    for gpu in snapshot.gpus:
        assert gpu.uuid.startswith(("GPU-", "MIG-"))
        assert gpu.product
        assert gpu.memory_total_bytes
        assert (gpu.lost, gpu.trouble) == (None, None)
        assert gpu.absent is not None
    assert waited is False
