"""Utilisation out of GPM's counters, which Hopper and later have: what happened between two samples of them."""

import contextlib
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import pynvml

from agents.nvml import failures
from agents.nvml.asking import Asking

LEAST_S = 0.5
"""Two samples are at least so far apart: the counters move every 100 ms. A reading in between repeats the last values."""

METRICS = (
    (pynvml.NVML_GPM_METRIC_GRAPHICS_UTIL, "utilization_percent"),
    (pynvml.NVML_GPM_METRIC_SM_UTIL, "sm_active_percent"),
    (pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL, "tensor_active_percent"),
    (pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL, "dram_active_percent"),
)
FIELDS = tuple(name for _, name in METRICS)

NOT_YET = "not_yet"
"""There is one sample, and it takes two."""


def supported(ask: Asking, handle: Any) -> bool:
    """Whether this GPU has GPM; says why not."""
    found = ask("sm_active_percent", pynvml.nvmlGpmQueryDeviceSupport, handle)
    if found is not None and found.isSupportedDevice:
        return True
    for name in FIELDS[1:]:
        ask.lacks(name, ask.absent.get("sm_active_percent", failures.NOT_SUPPORTED))
    return False


class Gpm:
    """Of one GPU or GPU instance; `take` fills the sample that it is given. `close` gives the driver's memory back."""

    def __init__(self, take: Callable[[Any], object]) -> None:
        self._take = take
        self._samples: list[Any] = []
        self._taken_at: float | None = None
        self._values: dict[str, int | None] = dict.fromkeys(FIELDS)

    def read_into(self, values: dict[str, Any], ask: Asking, now: float) -> None:
        """Puts what happened since the last sample into `values`; None where that cannot be said."""
        if self._taken_at is None or now - self._taken_at >= LEAST_S:
            self._values = self._read(ask, now)
        values.update(self._values)

    def close(self) -> None:
        for sample in self._samples:
            # A driver that is gone has nothing to give back.
            with contextlib.suppress(*failures.ERRORS):
                pynvml.nvmlGpmSampleFree(sample)
        self._samples = []

    def _read(self, ask: Asking, now: float) -> dict[str, int | None]:
        if not self._samples and not self._allocated(ask):
            return self._without(ask, ask.absent["sm_active_percent"])
        older, newer = self._samples
        if ask("sm_active_percent", self._take, newer) is None:
            self._taken_at = None
            return self._without(ask, ask.absent["sm_active_percent"])
        self._samples = [newer, older]
        before, self._taken_at = self._taken_at, now
        if before is None:
            return self._without(ask, NOT_YET)
        return self._between(ask, older, newer)

    def _allocated(self, ask: Asking) -> bool:
        for _ in range(2):
            sample = ask("sm_active_percent", pynvml.nvmlGpmSampleAlloc)
            if sample is None:
                self.close()
                return False
            self._samples.append(sample)
        return True

    def _between(self, ask: Asking, older: Any, newer: Any) -> dict[str, int | None]:
        asked = question()
        asked.sample1, asked.sample2 = older, newer
        if ask("sm_active_percent", pynvml.nvmlGpmMetricsGet, asked) is None:
            return self._without(ask, ask.absent["sm_active_percent"])
        return {name: self._percent(ask, name, asked.metrics[at]) for at, (_, name) in enumerate(METRICS)}

    def _percent(self, ask: Asking, name: str, metric: Any) -> int | None:
        if metric.nvmlReturn != pynvml.NVML_SUCCESS:
            ask.failed(name, pynvml.NVMLError(metric.nvmlReturn), named="nvmlGpmMetricsGet")
            return None
        if not math.isfinite(metric.value):
            ask.lacks(name, "not_available")
            return None
        ask.has(name)
        return min(100, round(metric.value))

    def _without(self, ask: Asking, reason: str) -> dict[str, int | None]:
        for name in FIELDS[1:]:
            ask.lacks(name, reason)
        return dict.fromkeys(FIELDS)


@cache
def question() -> Any:
    """One for all GPUs, as it is large and they are asked one after another."""
    found: Any = pynvml.c_nvmlGpmMetricsGet_t()
    found.version = pynvml.NVML_GPM_METRICS_GET_VERSION
    found.numMetrics = len(METRICS)
    for at, (metric, _) in enumerate(METRICS):
        found.metrics[at].metricId = metric
    return found
