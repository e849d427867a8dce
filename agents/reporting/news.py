"""What is told at once when it changes, and does not wait for the next regular report. Pure."""

from collections.abc import Mapping

from agents.snapshot import Sample

NOTABLE_MEMORY_BYTES = 256 << 20
"""While a GPU is proved empty, so much less memory in use is worth a report of its own."""


def of(sample: Sample) -> object:
    """Devices, their health, who holds them, violations, and an ended allocation's GPU seen empty; compared with what was told."""
    gpus = sample.gpus()
    unproved = sample.unproved or {}
    empty: list[tuple[str, int]] = []
    for item in sample.allocations.items:
        gpu = gpus.get(item.gpu)
        if item.ended and gpu is not None and gpu.processes == 0 and item.allocation not in unproved:
            empty.append((item.allocation, (gpu.memory_used_bytes or 0) // NOTABLE_MEMORY_BYTES))
    return (
        tuple((gpu.uuid, gpu.health) for gpu in sample.snapshot.gpus),
        tuple(empty),
        sample.holders,
        frozenset((one.gpu, one.kind, one.pid, one.namespace, one.pod) for one in sample.violations),
    )


def counts(sample: Sample, before: Mapping[str, int]) -> Mapping[str, int]:
    """How many processes were last seen on each GPU. They are not asked for at every reading, which is no news."""
    known = {gpu.uuid: gpu.processes for gpu in sample.snapshot.gpus}
    return {
        uuid: count if count is not None else before[uuid]
        for uuid, count in known.items()
        if count is not None or uuid in before
    }
