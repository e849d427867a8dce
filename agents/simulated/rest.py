"""What a simulated GPU reads while nothing happens to it, and what it does not have."""

from collections.abc import Mapping
from typing import Any

from agents.scenario.fleet import Scenario
from agents.scenario.products import Product

OWN_ALONE = ("power_milliwatts", "power_limit_milliwatts", "energy_millijoules")
"""What NVML tells of a whole GPU and of no instance."""

BY_GPM_ALONE = ("sm_active_percent", "tensor_active_percent", "dram_active_percent")
BY_RATES_ALONE = ("utilization_percent", "utilization_source")
LINKS = ("nvlinks_active", "nvlinks_inactive", "nvlink_errors", "nvlink_domain", "nvlink_peers")
PAGES = ("retired_pages", "retired_pages_pending")
"""Of GPUs that retire pages and do not remap rows."""

THROTTLES = ("power", "thermal", "sync_boost", "board_limit", "low_utilization", "reliability")


def of_gpu(scenario: Scenario, product: Product) -> dict[str, Any]:
    linked = bool(product.nvlinks)
    return {
        "utilization_source": "gpm" if product.by_gpm else "rates",
        "power_limit_milliwatts": scenario.full_watts * 1000,
        "memory_clock_megahertz": product.memory_megahertz,
        "throttled_nanoseconds": dict.fromkeys(THROTTLES, 0),
        "slowdown_celsius": product.slowdown_celsius,
        "ecc_corrected": 0,
        "ecc_uncorrected": 0,
        "ecc_uncorrected_lifetime": 0,
        "remapped_rows_corrected": 0,
        "remapped_rows_uncorrected": 0,
        "remap_pending": False,
        "remap_failed": False,
        "nvlinks_active": product.nvlinks if linked else None,
        "nvlinks_inactive": 0 if linked else None,
        "nvlink_errors": 0 if linked else None,
        "pcie_replays": 0,
        "absent": _absent(product),
    }


def of_instance(scenario: Scenario, product: Product) -> dict[str, Any]:
    """Power and energy are the whole GPU's. So is utilisation, before GPM could tell it by instance."""
    whole = of_gpu(scenario, product)
    absent = whole["absent"] | dict.fromkeys(OWN_ALONE, "mig")
    if product.by_gpm:
        return whole | {"power_limit_milliwatts": None, "absent": absent}
    told = {"power_limit_milliwatts": None, "utilization_source": None}
    return whole | told | {"absent": absent | dict.fromkeys(BY_RATES_ALONE, "mig")}


def _absent(product: Product) -> Mapping[str, str]:
    lacks = [
        *PAGES,
        *(() if product.nvlinks else LINKS),
        *(() if product.hbm else ("memory_temperature_celsius",)),
        *(() if product.architecture else ("architecture",)),
        *(() if product.by_gpm else BY_GPM_ALONE),
    ]
    return dict.fromkeys(lacks, "not_supported")
