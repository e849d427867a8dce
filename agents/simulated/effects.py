"""What faults do to the readings of a GPU. Pure: faults and seconds since the driver's start in, fields of the snapshot out."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agents.scenario.faults import Fault
from agents.scenario.products import Product
from agents.simulated.rest import THROTTLES

NS = 1_000_000_000
ENDED_BY_RESET = frozenset({"lost", "reset_required", "remap"})

Count = Callable[[Fault, float], Mapping[str, int]]

COUNTS: Mapping[str, Count] = {
    "ecc": lambda fault, at_s: {
        "ecc_corrected": fault.so_far(fault.corrected, at_s),
        "ecc_uncorrected": fault.so_far(fault.uncorrected, at_s),
    },
    "remap": lambda fault, at_s: {"rows": int(at_s >= fault.at_s)},
    "nvlink_errors": lambda fault, at_s: {"nvlink_errors": fault.so_far(fault.count, at_s)},
    "pcie_replays": lambda fault, at_s: {"pcie_replays": fault.so_far(fault.count, at_s)},
    "hot": lambda fault, at_s: {"thermal": int(fault.lasted(at_s) * NS)},
    "slow": lambda fault, at_s: {"power": int(fault.lasted(at_s) * NS)},
}
"""What a fault has added to counters until then."""


def counted(faults: Sequence[Fault], at_s: float) -> Counter[str]:
    total: Counter[str] = Counter()
    for fault in faults:
        count = COUNTS.get(fault.kind)
        if count is not None and at_s >= fault.at_s:
            total.update(count(fault, at_s))
    return total


def holds(fault: Fault, at_s: float, reset_s: float) -> bool:
    """Whether it is going on, on a GPU that was last reset at `reset_s`."""
    return fault.goes_on(at_s) and not (fault.kind in ENDED_BY_RESET and fault.at_s < reset_s)


def counters(since_reset: Counter[str], ever: Counter[str], product: Product) -> dict[str, Any]:
    """Those of errors begin anew with a reset; lifetimes and rows do not."""
    fields: dict[str, Any] = {
        "ecc_corrected": since_reset["ecc_corrected"],
        "ecc_uncorrected": since_reset["ecc_uncorrected"],
        "ecc_uncorrected_lifetime": ever["ecc_uncorrected"],
        "remapped_rows_uncorrected": ever["rows"],
        "pcie_replays": since_reset["pcie_replays"],
        "throttled_nanoseconds": {why: since_reset[why] for why in THROTTLES},
    }
    return fields | ({"nvlink_errors": since_reset["nvlink_errors"]} if product.nvlinks else {})


def struck(faults: Sequence[Fault], product: Product) -> dict[str, Any]:
    """What those that go on now show."""
    fields: dict[str, Any] = {}
    reasons: list[str] = []
    for fault in faults:
        if fault.kind == "hot":
            fields |= _hot(fault, product)
            reasons += ["hw_slowdown", "hw_thermal_slowdown", "sw_thermal_slowdown"]
        elif fault.kind == "slow":
            fields["sm_clock_megahertz"] = product.sm_megahertz * fault.percent // 100
            reasons += ["hw_slowdown", "hw_power_brake_slowdown"]
        elif fault.kind == "remap":
            fields |= {"remap_pending": fault.pending, "remap_failed": fault.failed}
        elif fault.kind == "nvlink_down" and product.nvlinks:
            down = min(product.nvlinks, fault.links)
            fields |= {"nvlinks_active": product.nvlinks - down, "nvlinks_inactive": down}
    return fields | ({"throttle_reasons": tuple(dict.fromkeys(reasons))} if reasons else {})


def _hot(fault: Fault, product: Product) -> dict[str, Any]:
    memory = {"memory_temperature_celsius": fault.celsius} if product.hbm else {}
    return {"temperature_celsius": fault.celsius, "sm_clock_megahertz": product.sm_megahertz // 2, **memory}
