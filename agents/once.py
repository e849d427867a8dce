"""One snapshot for a person at the node: a table, or JSON. What is not known is `-`."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agents.snapshot import GpuSnapshot, Process, Snapshot

HEAD = ("GPU", "PRODUCT", "UUID", "HEALTH", "BUSY", "MEMORY", "POWER", "TEMPERATURE")
UNKNOWN = "-"
GIB = 1 << 30


def as_json(snapshot: Snapshot) -> str:
    return json.dumps(_plain(snapshot), indent=2, ensure_ascii=False)


def as_table(snapshot: Snapshot) -> str:
    driver, cuda = snapshot.driver_version or UNKNOWN, snapshot.cuda_version or UNKNOWN
    lines = [f"driver {driver}, CUDA {cuda}, {len(snapshot.gpus)} GPUs"]
    if not snapshot.sees_processes:
        lines.append("processes: unavailable (the host's processes are hidden from here)")
    rows = [_row(gpu) for gpu in snapshot.gpus]
    widths = [max(len(row[column]) for row in (HEAD, *rows)) for column in range(len(HEAD))]
    lines += ["", _line(HEAD, widths)]
    for gpu, row in zip(snapshot.gpus, rows, strict=True):
        lines += [_line(row, widths), *(f"     {below}" for below in _below(gpu))]
    return "\n".join(lines)


def _row(gpu: GpuSnapshot) -> tuple[str, ...]:
    return (
        str(gpu.index),
        gpu.product + (f" {gpu.mig_profile}" if gpu.mig_profile else ""),
        gpu.uuid,
        gpu.health,
        _with(gpu.utilization_percent, "%"),
        f"{_gib(gpu.memory_used_bytes)} / {_gib(gpu.memory_total_bytes)} GiB",
        _with(None if gpu.power_milliwatts is None else round(gpu.power_milliwatts / 1000), "W"),
        _with(gpu.temperature_celsius, "C"),
    )


def _below(gpu: GpuSnapshot) -> Iterable[str]:
    if gpu.health_reason:
        yield f"{gpu.health}: {gpu.health_reason}"
    if gpu.processes is None:
        yield f"processes: {UNKNOWN}"
    elif gpu.processes > len(gpu.seen):
        yield f"processes: {gpu.processes}"
    yield from map(_process, gpu.seen)


def _process(found: Process) -> str:
    return f"process {found.pid} {found.name or UNKNOWN}, {_gib(found.used_memory_bytes)} GiB"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _with(value: int | None, unit: str) -> str:
    return UNKNOWN if value is None else f"{value} {unit}"


def _gib(amount: int | None) -> str:
    return UNKNOWN if amount is None else f"{amount / GIB:.1f}"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (tuple, list, frozenset, set)):
        return [_plain(each) for each in value]
    return value
