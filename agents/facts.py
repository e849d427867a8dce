"""What was seen of a physical GPU: one value out of the one or many schedulable units that it is.

What could not be read is None. Nothing is judged here.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from agents.snapshot import GpuSnapshot, Lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was seen of one physical GPU, its MIG instances together. `wall` is Unix time by the node's clock, for people alone.

    `boot` is what the kernel calls its own start. `processes` is None where they were not asked for; `passed` where no check ended.
    """

    wall: float = 0.0
    boot: str | None = None
    xids: tuple[int, ...] = ()
    lost: Lost | None = None
    trouble: str | None = None
    energy_millijoules: int | None = None
    ecc_uncorrected: int | None = None
    ecc_lifetime: int | None = None
    remap_pending: bool | None = None
    remap_failed: bool | None = None
    retired_pages_pending: bool | None = None
    nvlinks_active: int | None = None
    nvlink_errors: int | None = None
    pcie_replays: int | None = None
    temperature_celsius: int | None = None
    slowdown_celsius: int | None = None
    throttle_reasons: tuple[str, ...] = ()
    processes: int | None = None
    pids: frozenset[int] = frozenset()
    passed: bool | None = None
    why: str | None = None
    """Why the check failed."""


def by_gpu(units: Iterable[GpuSnapshot]) -> dict[str, list[GpuSnapshot]]:
    """The units of each physical GPU."""
    found: dict[str, list[GpuSnapshot]] = {}
    for unit in units:
        found.setdefault(unit.parent or unit.uuid, []).append(unit)
    return found


def facts_of(
    units: tuple[GpuSnapshot, ...],
    *,
    xids: tuple[int, ...] = (),
    wall: float = 0.0,
    boot: str | None = None,
    passed: bool | None = None,
    why: str | None = None,
) -> Facts:
    """What its units, which are one GPU or its MIG instances, say of a physical GPU. Of numbers the largest one is said."""
    if len(units) == 1:
        return _facts(units[0], xids, wall, boot, passed, why)
    each = [_facts(unit, (), wall, boot, None, None) for unit in units]
    if not each:
        return Facts(wall=wall, boot=boot, xids=xids, passed=passed, why=why)
    processes = [one.processes for one in each]
    known = [count for count in processes if count is not None]
    return Facts(
        wall=wall,
        boot=boot,
        xids=xids,
        passed=passed,
        why=why,
        lost=next((one.lost for one in each if one.lost), None),
        trouble=next((one.trouble for one in each if one.trouble), None),
        throttle_reasons=tuple(sorted({reason for one in each for reason in one.throttle_reasons})),
        processes=sum(known) if len(known) == len(processes) else None,
        pids=frozenset().union(*(one.pids for one in each)),
        **{
            name: max((value for one in each if (value := getattr(one, name)) is not None), default=None)
            for name in LARGEST
        },
    )


LARGEST = (
    "energy_millijoules",
    "ecc_uncorrected",
    "ecc_lifetime",
    "remap_pending",
    "remap_failed",
    "retired_pages_pending",
    "nvlinks_active",
    "nvlink_errors",
    "pcie_replays",
    "temperature_celsius",
    "slowdown_celsius",
)


def _facts(
    unit: GpuSnapshot, xids: tuple[int, ...], wall: float, boot: str | None, passed: bool | None, why: str | None
) -> Facts:
    return Facts(
        wall=wall,
        boot=boot,
        xids=xids,
        passed=passed,
        why=why,
        lost=unit.lost,
        trouble=unit.trouble,
        energy_millijoules=unit.energy_millijoules,
        ecc_uncorrected=unit.ecc_uncorrected,
        ecc_lifetime=unit.ecc_uncorrected_lifetime,
        remap_pending=unit.remap_pending,
        remap_failed=unit.remap_failed,
        retired_pages_pending=unit.retired_pages_pending,
        nvlinks_active=unit.nvlinks_active,
        nvlink_errors=unit.nvlink_errors,
        pcie_replays=unit.pcie_replays,
        temperature_celsius=unit.temperature_celsius,
        slowdown_celsius=unit.slowdown_celsius,
        throttle_reasons=unit.throttle_reasons or (),
        processes=unit.processes,
        pids=frozenset(process.pid for process in unit.seen) if unit.seen else frozenset(),
    )
