"""What was seen of a physical GPU: one value out of the one or many schedulable units that it is.

What could not be read is None. Nothing is judged here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agents.snapshot import GpuSnapshot

LARGEST = (
    "energy_millijoules",
    "ecc_uncorrected",
    "ecc_uncorrected_lifetime",
    "remap_pending",
    "remap_failed",
    "retired_pages_pending",
    "nvlinks_active",
    "nvlink_errors",
    "pcie_replays",
    "temperature_celsius",
    "slowdown_celsius",
)
"""Of these the instances of a GPU say the same, or the largest one is its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`wall` is Unix time by the node's clock, for people alone; `boot` is what the kernel calls its own start.

    `xids` came since the reading before. `passed` is None where no check ended since then, and `why` is why one failed.
    """

    reading: GpuSnapshot
    wall: float
    boot: str | None = None
    xids: Sequence[int] = ()
    passed: bool | None = None
    why: str | None = None


def by_gpu(units: Iterable[GpuSnapshot]) -> dict[str, list[GpuSnapshot]]:
    """The units of each physical GPU, and that itself where it is cut and is among them."""
    found: dict[str, list[GpuSnapshot]] = {}
    for unit in units:
        found.setdefault(unit.parent or unit.uuid, []).append(unit)
    return found


def reading_of(gpu: str, units: Sequence[GpuSnapshot]) -> GpuSnapshot:
    """What its units, which are one GPU or its MIG instances, say of a physical GPU; of one that has none nothing is known.

    Where the GPU that is cut is among them, most of that is its own, and its processes are those of its instances.
    """
    if len(units) == 1:
        return units[0]
    if not units:
        return GpuSnapshot(uuid=gpu, index=0, product="")
    largest: dict[str, Any] = {name: _largest(units, name) for name in LARGEST}
    whole = next((unit for unit in units if unit.uuid == gpu), units[0])
    used = [unit for unit in units if unit.uuid != gpu]
    counts = [unit.processes for unit in used if unit.processes is not None]
    return replace(
        whole,
        lost=next((unit.lost for unit in units if unit.lost is not None), None),
        trouble=next((unit.trouble for unit in units if unit.trouble is not None), None),
        throttle_reasons=tuple(sorted({reason for unit in units for reason in unit.throttle_reasons or ()})),
        processes=sum(counts) if len(counts) == len(used) else None,
        seen=tuple(process for unit in units for process in unit.seen),
        **largest,
    )


def _largest(units: Sequence[GpuSnapshot], name: str) -> int | None:
    return max((value for unit in units if (value := getattr(unit, name)) is not None), default=None)
