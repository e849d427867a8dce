"""What is asked of a whole GPU with every reading: the calls that cost least."""

from functools import lru_cache, partial
from typing import Any

import pynvml

from agents.nvml.asking import Asking, Call
from agents.nvml.gpm import Gpm

REASONS = {
    pynvml.nvmlClocksEventReasonGpuIdle: "gpu_idle",
    pynvml.nvmlClocksEventReasonApplicationsClocksSetting: "applications_clocks_setting",
    pynvml.nvmlClocksEventReasonSwPowerCap: "sw_power_cap",
    pynvml.nvmlClocksEventReasonHwSlowdown: "hw_slowdown",
    pynvml.nvmlClocksEventReasonSyncBoost: "sync_boost",
    pynvml.nvmlClocksEventReasonSwThermalSlowdown: "sw_thermal_slowdown",
    pynvml.nvmlClocksEventReasonHwThermalSlowdown: "hw_thermal_slowdown",
    pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown: "hw_power_brake_slowdown",
    pynvml.nvmlClocksEventReasonDisplayClockSetting: "display_clock_setting",
    pynvml.nvmlClocksThrottleReasonBoardLimit: "board_limit",
    pynvml.nvmlClocksThrottleReasonReliability: "reliability",
}

NUMBERS: tuple[tuple[str, tuple[Call, ...]], ...] = (
    ("power_milliwatts", (pynvml.nvmlDeviceGetPowerUsage,)),
    ("energy_millijoules", (pynvml.nvmlDeviceGetTotalEnergyConsumption,)),
    (
        "temperature_celsius",
        (
            partial(pynvml.nvmlDeviceGetTemperatureV, sensor=pynvml.NVML_TEMPERATURE_GPU),
            partial(pynvml.nvmlDeviceGetTemperature, sensor=pynvml.NVML_TEMPERATURE_GPU),
        ),
    ),
)

CLOCK_REASONS = (pynvml.nvmlDeviceGetCurrentClocksEventReasons, pynvml.nvmlDeviceGetCurrentClocksThrottleReasons)

MEMORY = partial(pynvml.nvmlDeviceGetMemoryInfo, version=pynvml.nvmlMemory_v2)
"""Tells used memory from what the driver keeps for itself; older drivers count both as used."""


def read_into(values: dict[str, Any], ask: Asking, handle: Any, gpm: Gpm | None, now: float) -> None:
    """Puts the fields of a snapshot into `values`; `now` is monotonic."""
    memory_into(values, ask, handle)
    utilization_into(values, ask, handle, gpm, now)
    shared_into(values, ask, handle)


def shared_into(values: dict[str, Any], ask: Asking, handle: Any) -> None:
    """What is one for the whole GPU, also where it is cut into instances."""
    for field, calls in NUMBERS:
        values[field] = ask.first(field, calls, handle)
    reasons = ask.first("throttle_reasons", CLOCK_REASONS, handle)
    values["throttle_reasons"] = None if reasons is None else reason_names(reasons)


def memory_into(values: dict[str, Any], ask: Asking, handle: Any) -> None:
    """Also of a MIG instance, which has memory of its own."""
    found = ask("memory_used_bytes", MEMORY, handle)
    if found is None:
        found = ask("memory_used_bytes", pynvml.nvmlDeviceGetMemoryInfo, handle)
    if found is None:
        values["memory_used_bytes"] = None
        ask.lacks("memory_total_bytes", ask.absent["memory_used_bytes"])
        values.setdefault("memory_total_bytes", None)
        return
    ask.has("memory_total_bytes")
    values["memory_total_bytes"] = ask.known("memory_total_bytes", found.total)
    values["memory_used_bytes"] = ask.known("memory_used_bytes", found.used)


def utilization_into(values: dict[str, Any], ask: Asking, handle: Any, gpm: Gpm | None, now: float) -> None:
    """By GPM where the GPU has it, else by the older rates, and which of them it was."""
    if gpm is not None:
        gpm.read_into(values, ask, now)
    if gpm is not None and values["utilization_percent"] is not None:
        values["utilization_source"] = "gpm"
        return
    rates = ask("utilization_percent", pynvml.nvmlDeviceGetUtilizationRates, handle)
    values["utilization_percent"] = None if rates is None else ask.known("utilization_percent", rates.gpu)
    values["utilization_source"] = None if values["utilization_percent"] is None else "rates"


@lru_cache(maxsize=256)
def reason_names(bits: int) -> tuple[str, ...]:
    """A reason that is newer than this list keeps its bit for a name."""
    return tuple(REASONS.get(1 << at, f"bit_{at}") for at in range(bits.bit_length()) if bits >> at & 1)
