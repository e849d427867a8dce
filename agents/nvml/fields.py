"""Counters that one call answers together, each with a status of its own; and the single calls of older drivers for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pynvml

from agents.nvml import failures
from agents.nvml.asking import Asking, Call


@dataclass(frozen=True, slots=True)
class Counter:
    """The sum of some of NVML's fields, or what the calls answer in turn where the GPU has not all of them."""

    name: str
    fields: tuple[int, ...]
    calls: tuple[Call, ...] = ()


def _ecc(error: int, counter: int) -> Call:
    return partial(pynvml.nvmlDeviceGetTotalEccErrors, errorType=error, counterType=counter)


def _remapped(handle: Any) -> Any:
    return pynvml.nvmlDeviceGetRemappedRows(handle)


def remapped_corrected(handle: Any) -> int:
    return _remapped(handle)[0]


def remapped_uncorrected(handle: Any) -> int:
    return _remapped(handle)[1]


def remap_pending(handle: Any) -> int:
    return _remapped(handle)[2]


def remap_failed(handle: Any) -> int:
    return _remapped(handle)[3]


def retired_pages(handle: Any) -> int:
    causes = range(pynvml.NVML_PAGE_RETIREMENT_CAUSE_COUNT)
    return sum(len(pynvml.nvmlDeviceGetRetiredPages_v2(handle, cause)) for cause in causes)


def violation(handle: Any, policy: int) -> Any:
    return pynvml.nvmlDeviceGetViolationStatus(handle, policy).violationTime


POLICIES = {
    "power": (pynvml.NVML_FI_DEV_PERF_POLICY_POWER, pynvml.NVML_PERF_POLICY_POWER),
    "thermal": (pynvml.NVML_FI_DEV_PERF_POLICY_THERMAL, pynvml.NVML_PERF_POLICY_THERMAL),
    "sync_boost": (pynvml.NVML_FI_DEV_PERF_POLICY_SYNC_BOOST, pynvml.NVML_PERF_POLICY_SYNC_BOOST),
    "board_limit": (pynvml.NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT, pynvml.NVML_PERF_POLICY_BOARD_LIMIT),
    "low_utilization": (pynvml.NVML_FI_DEV_PERF_POLICY_LOW_UTILIZATION, pynvml.NVML_PERF_POLICY_LOW_UTILIZATION),
    "reliability": (pynvml.NVML_FI_DEV_PERF_POLICY_RELIABILITY, pynvml.NVML_PERF_POLICY_RELIABILITY),
}
"""Nanoseconds for which clocks were held down, by why."""

COUNTERS = (
    Counter(
        "ecc_corrected",
        (pynvml.NVML_FI_DEV_ECC_SBE_VOL_TOTAL,),
        (_ecc(pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, pynvml.NVML_VOLATILE_ECC),),
    ),
    Counter(
        "ecc_uncorrected",
        (pynvml.NVML_FI_DEV_ECC_DBE_VOL_TOTAL,),
        (_ecc(pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC),),
    ),
    Counter(
        "ecc_uncorrected_lifetime",
        (pynvml.NVML_FI_DEV_ECC_DBE_AGG_TOTAL,),
        (_ecc(pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_AGGREGATE_ECC),),
    ),
    Counter("remapped_rows_corrected", (pynvml.NVML_FI_DEV_REMAPPED_COR,), (remapped_corrected,)),
    Counter("remapped_rows_uncorrected", (pynvml.NVML_FI_DEV_REMAPPED_UNC,), (remapped_uncorrected,)),
    Counter("remap_pending", (pynvml.NVML_FI_DEV_REMAPPED_PENDING,), (remap_pending,)),
    Counter("remap_failed", (pynvml.NVML_FI_DEV_REMAPPED_FAILURE,), (remap_failed,)),
    Counter("retired_pages", (pynvml.NVML_FI_DEV_RETIRED_SBE, pynvml.NVML_FI_DEV_RETIRED_DBE), (retired_pages,)),
    Counter(
        "retired_pages_pending",
        (pynvml.NVML_FI_DEV_RETIRED_PENDING,),
        (pynvml.nvmlDeviceGetRetiredPagesPendingStatus,),
    ),
    Counter("pcie_replays", (pynvml.NVML_FI_DEV_PCIE_REPLAY_COUNTER,), (pynvml.nvmlDeviceGetPcieReplayCounter,)),
    Counter("memory_temperature_celsius", (pynvml.NVML_FI_DEV_MEMORY_TEMP,)),
    Counter("nvlinks", (pynvml.NVML_FI_DEV_NVLINK_LINK_COUNT,)),
    Counter(
        "nvlink_errors",
        (
            pynvml.NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL,
            pynvml.NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL,
            pynvml.NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL,
            pynvml.NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL,
        ),
    ),
    *(
        Counter(f"throttled.{name}", (field,), (partial(violation, policy=policy),))
        for name, (field, policy) in POLICIES.items()
    ),
)

MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""Where the value is, by NVML's value type."""


class Fields:
    """Of one GPU: a field that it does not support is not asked for again."""

    def __init__(self) -> None:
        self._wanted = sorted({field for counter in COUNTERS for field in counter.fields})

    def read(self, ask: Asking, handle: Any) -> dict[str, int | None]:
        """Every counter by name; why one is None is told to `ask`."""
        answers = self._answers(ask, handle)
        return {counter.name: self._counted(counter, answers, ask, handle) for counter in COUNTERS}

    def _answers(self, ask: Asking, handle: Any) -> dict[int, int]:
        if not self._wanted:
            return {}
        found = ask("fields", pynvml.nvmlDeviceGetFieldValues, handle, self._wanted)
        ask.has("fields")
        answers: dict[int, int] = {}
        for one in found or ():
            if one.nvmlReturn == pynvml.NVML_SUCCESS:
                answers[one.fieldId] = int(getattr(one.value, MEMBERS[min(one.valueType, len(MEMBERS) - 1)]))
            else:
                self._failed(ask, one.fieldId, one.nvmlReturn)
        return answers

    def _failed(self, ask: Asking, field: int, code: int) -> None:
        if code in failures.GONE or code in failures.DRIVER_GONE:
            raise pynvml.NVMLError(code)
        if code in failures.LASTING or code == pynvml.NVML_ERROR_INVALID_ARGUMENT:
            self._wanted = [one for one in self._wanted if one != field]

    def _counted(self, counter: Counter, answers: Mapping[int, int], ask: Asking, handle: Any) -> int | None:
        if all(field in answers for field in counter.fields):
            ask.has(counter.name)
            return ask.known(counter.name, sum(answers[field] for field in counter.fields))
        if not counter.calls:
            ask.lacks(counter.name, failures.NOT_SUPPORTED)
        return ask.first(counter.name, counter.calls, handle)
