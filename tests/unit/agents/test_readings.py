from typing import Any

import pytest

from agents.reporting import wire
from agents.reporting.telling import Identity, Telling
from agents.snapshot import GpuSnapshot
from agents.spool.untold import Untold
from dure.wire import GpuReading, Report
from tests.unit.agents.builders import a_gpu, a_sample, allocations, an_allocation


def _report(*gpus: GpuSnapshot, agent_version: str = "0.1.0") -> Report:
    sample = a_sample(*gpus, knowing=allocations(an_allocation("over", ended=True), an_allocation("on", gpu="GPU-b")))
    telling = Telling(Untold(0), identity=Identity(boot="boot_1", agent_version=agent_version), interval_s=10)
    told = telling.compose(sample, [], seq=3, sent_at=5.0, at=0.0)
    return Report.model_validate_json(wire.encoded(told.body))


def test_a_report_carries_the_readings_and_what_the_sample_knew_to_be_over() -> None:
    report = _report(a_gpu())

    assert report.gpus == [
        GpuReading(
            uuid="GPU-a",
            index=0,
            product="NVIDIA H100 80GB HBM3",
            health="ok",
            memory_total_bytes=80 << 30,
            memory_used_bytes=10 << 30,
            utilization_percent=50,
            power_milliwatts=350_000,
            energy_millijoules=1_000_000,
            temperature_celsius=55,
            processes=1,
            ecc_uncorrected=0,
        )
    ]
    assert (report.knew_ended, report.boot, report.seq, report.sent_at) == (["over"], "boot_1", 3, 5.0)


def test_what_is_unknown_is_null() -> None:
    reading = _report(a_gpu(utilization_percent=None, power_milliwatts=None, processes=None)).gpus[0]

    assert (reading.utilization_percent, reading.power_milliwatts, reading.processes) == (None, None, None)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        pytest.param({"utilization_percent": 140}, "utilization_percent", id="more than all"),
        pytest.param({"memory_used_bytes": -1}, "memory_used_bytes", id="less than nothing"),
        pytest.param({"energy_millijoules": (1 << 64) - 1}, "energy_millijoules", id="a counter's not-available"),
        pytest.param({"temperature_celsius": 65_535}, "temperature_celsius", id="hotter than the sun"),
    ],
)
def test_a_value_that_makes_no_sense_is_unknown_and_the_others_stay(
    changed: dict[str, Any], field: str, caplog: pytest.LogCaptureFixture
) -> None:
    reading = _report(a_gpu(**changed)).gpus[0]

    assert getattr(reading, field) is None
    assert reading.processes == 1
    assert [record.__dict__["action"] for record in caplog.records] == ["reading.nonsense"]


def test_a_gpu_that_cannot_be_named_is_left_out_and_the_others_stay() -> None:
    assert [gpu.uuid for gpu in _report(a_gpu("no uuid"), a_gpu("MIG-b")).gpus] == ["MIG-b"]


def test_long_texts_are_cut() -> None:
    report = _report(a_gpu(health="suspect", health_reason="x" * 900), agent_version="v" * 900)

    assert (len(report.gpus[0].health_reason or ""), len(report.agent_version)) == (200, 200)
