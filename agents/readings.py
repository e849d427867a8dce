"""From a sample to the report that goes over the wire. No value is made up: what cannot be sent is null."""

import logging
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from agents.snapshot import GpuSnapshot, Sample
from agents.totals import Use
from dure.wire import AllocationUsage, GpuReading, Report

log = logging.getLogger(__name__)

MAX_GPUS = 1024
MAX_ALLOCATIONS = 4096
MAX_TEXT = 200

SENT = tuple(name for name in GpuReading.model_fields if name not in ("uuid", "index", "product", "throttled"))


def report(
    sample: Sample,
    usage: list[Use],
    *,
    boot: str,
    seq: int,
    sent_at: float,
    interval_s: float,
    agent_version: str,
    host_boot: str | None = None,
) -> Report:
    """The readings of this sample with the allocations it knew to be over; `sent_at` is the node's own clock."""
    readings = [reading for gpu in sample.snapshot.gpus[:MAX_GPUS] if (reading := _reading(gpu)) is not None]
    version = sample.snapshot.driver_version
    return Report(
        boot=boot,
        host_boot=host_boot,
        seq=seq,
        sent_at=sent_at,
        interval_s=interval_s,
        agent_version=agent_version[:MAX_TEXT],
        driver_version=None if version is None else version[:MAX_TEXT],
        gpus=readings,
        knew_ended=sorted(sample.allocations.ended() - (sample.unproved or {}).keys())[:MAX_ALLOCATIONS],
        usage=[_usage(use) for use in usage[:MAX_ALLOCATIONS]],
    )


def _usage(use: Use) -> AllocationUsage:
    return AllocationUsage(
        allocation=use.allocation,
        day_began_at=datetime.fromtimestamp(use.day, UTC),
        sampled_ms=use.sampled_ms,
        busy_ms=use.busy_ms,
        energy_millijoules=use.energy_millijoules,
        memory_ms=use.memory_ms,
        memory_mebibyte_s=use.memory_mebibyte_s,
    )


def _reading(gpu: GpuSnapshot) -> GpuReading | None:
    """The GPU's reading. A value outside what the wire takes is unknown; a GPU that cannot be named is left out."""
    values: dict[str, Any] = {name: getattr(gpu, name) for name in SENT}
    values["health_reason"] = None if gpu.health_reason is None else gpu.health_reason[:MAX_TEXT]
    identity = {"uuid": gpu.uuid, "index": gpu.index, "product": gpu.product}
    try:
        return GpuReading(**identity, **values)
    except ValidationError as error:
        wrong = {str(each["loc"][0]) for each in error.errors()}
    log.error("GPU %s reads as nonsense: %s", gpu.uuid, sorted(wrong), extra={"action": "reading.nonsense"})
    if wrong & identity.keys():
        return None
    return GpuReading(**identity, **{name: value for name, value in values.items() if name not in wrong})
