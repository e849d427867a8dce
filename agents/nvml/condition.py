"""How a whole GPU is: what changes slowly, and is asked every ten seconds or when the GPU is new."""

from functools import partial
from typing import Any

import pynvml

from agents.nvml import nvlink
from agents.nvml.asking import Asking
from agents.nvml.fields import POLICIES, Fields
from agents.nvml.nvlink import Links

EVERY_S = 10.0
"""So old may these values be."""

CLOCKS = (
    ("sm_clock_megahertz", partial(pynvml.nvmlDeviceGetClockInfo, type=pynvml.NVML_CLOCK_SM)),
    ("memory_clock_megahertz", partial(pynvml.nvmlDeviceGetClockInfo, type=pynvml.NVML_CLOCK_MEM)),
    ("power_limit_milliwatts", pynvml.nvmlDeviceGetEnforcedPowerLimit),
)


class Condition:
    """Of one GPU."""

    def __init__(self) -> None:
        self._fields = Fields()
        self._links = Links()

    def read_into(self, values: dict[str, Any], ask: Asking, handle: Any) -> None:
        """Puts the fields of a snapshot into `values`."""
        for field, call in CLOCKS:
            values[field] = ask.number(field, call, handle)
        counted = self._fields.read(ask, handle)
        values["throttled_nanoseconds"] = _throttled(ask, counted)
        links, errors = counted.pop("nvlinks"), counted.pop("nvlink_errors")
        ask.has("nvlinks")
        for name in ("remap_pending", "remap_failed", "retired_pages_pending"):
            flag = counted.pop(name)
            values[name] = None if flag is None else bool(flag)
        values.update(counted)
        values.update(self._links.read(ask, handle, count=links, errors=errors))
        values["nvlink_domain"] = nvlink.fabric(ask, handle)


def _throttled(ask: Asking, counted: dict[str, int | None]) -> dict[str, int] | None:
    """Of the policies that the GPU tells of; None where it tells of none."""
    known: dict[str, int] = {}
    for name in POLICIES:
        held = counted.pop(f"throttled.{name}")
        if held is not None:
            known[name] = held
        why = ask.absent.get(f"throttled.{name}")
        ask.has(f"throttled.{name}")
        if not known and why is not None:
            ask.lacks("throttled_nanoseconds", why)
    if known:
        ask.has("throttled_nanoseconds")
    return known or None
