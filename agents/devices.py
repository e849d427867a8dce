"""Tells of GPUs that come, go, or are cut anew: a stage of the sampler.

What is told of is the physical GPU. One that is lost and still listed is not gone. What an agent finds as it starts is no news.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from agents.events import Event, Recorder, forget
from agents.health.facts import by_gpu
from agents.snapshot import GpuSnapshot, Sample

log = logging.getLogger(__name__)

Change = Literal["added", "removed", "recut"]

WHOLE = "whole"

SENTENCES: dict[Change, str] = {
    "added": "%s is there now: %s, %s",
    "removed": "%s is not there any more: %s, %s",
    "recut": "%s is cut anew: %s, %s",
}


class Devices:
    def __init__(self, record: Recorder = forget) -> None:
        self._record = record

    def __call__(self, sample: Sample, before: Sample | None) -> Sample:
        if before is None or _who(before.snapshot.gpus) == _who(sample.snapshot.gpus):
            return sample
        for change, gpu, units in changes(before.snapshot.gpus, sample.snapshot.gpus):
            self._tell(change, gpu, units, sample.wall)
        return sample

    def _tell(self, change: Change, gpu: str, units: Sequence[GpuSnapshot], wall: float) -> None:
        first = units[0]
        detail = {"change": change, "product": first.product, "index": first.index, "cut": _cut(units)}
        self._record(Event(kind="device", at=wall, gpu=gpu, detail=detail))
        about = {"action": f"device.{change}", "gpu": gpu, **detail}
        log.warning(SENTENCES[change], gpu, first.product, _cut(units), extra=about)


def changes(
    before: Iterable[GpuSnapshot], after: Iterable[GpuSnapshot]
) -> Iterator[tuple[Change, str, Sequence[GpuSnapshot]]]:
    """What became of each physical GPU, with its units as they are now or, of one that is gone, as they were."""
    old, new = by_gpu(before), by_gpu(after)
    for gpu, units in old.items():
        if gpu not in new:
            yield "removed", gpu, units
        elif _who(units) != _who(new[gpu]):
            yield "recut", gpu, new[gpu]
    for gpu, units in new.items():
        if gpu not in old:
            yield "added", gpu, units


def _who(units: Iterable[GpuSnapshot]) -> frozenset[tuple[str, str | None, str | None]]:
    return frozenset((unit.uuid, unit.parent, unit.mig_profile) for unit in units)


def _cut(units: Sequence[GpuSnapshot]) -> str:
    """The profiles of its instances, as in `1g.10gb, 2g.20gb`."""
    return ", ".join(unit.mig_profile or (WHOLE if unit.parent is None else "unknown") for unit in units)
