"""What a node's GPUs are like now: a whole report as it is, or the changes of one folded into the report that it builds on.

Pure. And what of it is worth writing down at once: who only looks at a node may see it a minute late, who decides may not.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from scheduler.core.reported import GpuChange, GpuReading, Report

MEMORY_STEP_BYTES = 256 << 20
"""So much more or less memory in use is worth writing down."""

WRITTEN_EVERY_S = 60.0
"""What is not worth writing down at once is written that often."""

_CHANGING = tuple(name for name in GpuChange.__struct_fields__ if name != "uuid")

Gpus = tuple[GpuReading, ...]
Notable = tuple[tuple[object, ...], ...]


def readings(report: Report, base: tuple[int, Gpus] | None) -> Gpus | None:
    """The GPUs as the report has them; None where it builds on one that is not `base`, a number and what it said."""
    if not report.base:
        return tuple(report.gpus)
    if base is None or base[0] != report.base:
        return None
    return _changed(base[1], report.changed or ())


def _changed(gpus: Gpus, changes: Sequence[GpuChange]) -> Gpus | None:
    """None where a change is of a GPU that is not there: then it builds on something else."""
    if not changes:
        return gpus
    places = {gpu.uuid: place for place, gpu in enumerate(gpus)}
    found = list(gpus)
    for change in changes:
        place = places.get(change.uuid)
        if place is None:
            return None
        found[place] = msgspec.structs.replace(found[place], **_said(change))
    return tuple(found)


def _said(change: GpuChange) -> dict[str, Any]:
    said = {name: value for name in _CHANGING if (value := getattr(change, name)) is not UNSET}
    if said.get("health", "") is None:
        del said["health"]  # a GPU always has one
    return said


def notable(gpus: Gpus, floors: Mapping[str, int | None]) -> Notable:
    """What is worth writing down when it changes; `floors` are how much memory in use is none, by GPU."""
    return tuple(
        (
            gpu.uuid,
            gpu.health,
            None if gpu.processes is UNSET else gpu.processes,
            None if (used := _used(gpu)) is None else used // MEMORY_STEP_BYTES,
            above(gpu, floors.get(gpu.uuid)),
        )
        for gpu in gpus
    )


def above(gpu: GpuReading, floor: int | None) -> bool | None:
    """Whether more memory is in use than none; None where that cannot be told."""
    used = _used(gpu)
    return None if floor is None or used is None else used > floor


def empty(gpu: GpuReading | None, floor: int) -> bool:
    """Whether nobody is on it, for sure: unknown proves nothing."""
    return gpu is not None and gpu.processes == 0 and above(gpu, floor) is False


def urgent(report: Report, gpus: Gpus | None, before: Gpus | None) -> bool:
    """Whether what it says goes at once: a change of health or devices, or a GPU that was given back and is empty.

    `before` is what is known of its GPUs; None is nothing.
    """
    if gpus is None:
        return any(change.health for change in report.changed or ())
    return changes(gpus, before) or (bool(report.knew_ended) and any(gpu.processes == 0 for gpu in gpus))


def changes(gpus: Gpus | None, before: Gpus | None) -> bool:
    """Whether health or devices are others than those that are known."""
    if gpus is None or before is None or gpus is before:
        return False
    return _devices(gpus) != _devices(before)


def _used(gpu: GpuReading) -> int | None:
    return None if gpu.memory_used_bytes is UNSET else gpu.memory_used_bytes


def _devices(gpus: Gpus) -> list[tuple[object, ...]]:
    return [(gpu.uuid, gpu.index, gpu.product, gpu.health) for gpu in gpus]
