"""Every series of the agent's `/metrics`: name, type, meaning, labels, and where its value is in a snapshot.

This table is all that there is: docs/metrics.md repeats it, and docs/dcgm.md speaks of these names alone. Units are base units.
A value that is None has no series.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from agents.snapshot import HEALTHS, GpuSnapshot

Kind = Literal["gauge", "counter"]

NODE = ("node",)
GPU = ("node", "gpu", "product", "pool")
"""Of every series of a GPU. `gpu` is its UUID; `pool` is empty where the allocator has not told it."""

THROTTLE_REASONS = (
    "gpu_idle",
    "applications_clocks_setting",
    "sw_power_cap",
    "hw_slowdown",
    "sync_boost",
    "sw_thermal_slowdown",
    "hw_thermal_slowdown",
    "hw_power_brake_slowdown",
    "display_clock_setting",
)
"""All of NVML's."""

LOST = ("lost", "reset_required")

MOST_XIDS = 64
"""So many different XIDs of one GPU are counted apart, and the others together; a driver that makes numbers up must not make series
without end.
"""

UNITS = frozenset({"ratio", "bytes", "watts", "joules", "hertz", "seconds", "celsius"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """`more` are its labels beside `base`, `fields` what it tells of a GPU's snapshot.

    `times` is how many series there are at most of a GPU, or of the node, by what is in `more`.
    """

    name: str
    kind: Kind
    about: str
    base: tuple[str, ...] = GPU
    more: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    times: int = 1

    @property
    def labels(self) -> tuple[str, ...]:
        return (*self.base, *self.more)

    @property
    def unit(self) -> str:
        """As its name says it; what is counted has none."""
        last = self.name.removesuffix("_total").rsplit("_", 1)[-1]
        return "1" if last == "info" else last if last in UNITS else "number"

    @property
    def series(self) -> str:
        """At most, in sizes by name; all of what is one for a whole GPU are of the GPU alone."""
        of = "" if self.base == NODE else "gpus"
        return " ".join(filter(None, (str(self.times) if self.times > 1 or not of else "", of)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Series):
    """One value of a GPU."""

    read: Callable[[GpuSnapshot], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts(Series):
    """Values of a GPU by one more label."""

    read: Callable[[GpuSnapshot], Mapping[str, float | None] | None]


def _gauge(name: str, about: str, field: str, *, times: int = 1, per: int = 1) -> Reading:
    return Reading(name=name, kind="gauge", about=about, fields=(field,), read=_scaled(field, times, per))


def _counter(name: str, about: str, field: str, *, per: int = 1) -> Reading:
    return Reading(name=name, kind="counter", about=about, fields=(field,), read=_scaled(field, 1, per))


def _scaled(field: str, times: int, per: int) -> Callable[[GpuSnapshot], float | None]:
    value = attrgetter(field)
    if per == 1:
        return lambda gpu: None if (found := value(gpu)) is None else found * times
    return lambda gpu: None if (found := value(gpu)) is None else found / per


def _throttled(gpu: GpuSnapshot) -> Mapping[str, float | None] | None:
    now = gpu.throttle_reasons
    return None if now is None else {reason: reason in now for reason in THROTTLE_REASONS}


def _throttled_seconds(gpu: GpuSnapshot) -> Mapping[str, float | None] | None:
    held = gpu.throttled_nanoseconds
    return None if held is None else {reason: ns / 1e9 for reason, ns in held.items()}


READINGS: tuple[Reading | Parts, ...] = (
    _gauge(
        "dure_gpu_utilization_ratio",
        "Part of the last sampling period in which the GPU computed, 0 to 1; dure_gpu_info says what it was read from.",
        "utilization_percent",
        per=100,
    ),
    _gauge("dure_gpu_sm_active_ratio", "Part of the time in which its SMs had work.", "sm_active_percent", per=100),
    _gauge(
        "dure_gpu_tensor_active_ratio",
        "Part of the time in which its tensor cores worked.",
        "tensor_active_percent",
        per=100,
    ),
    _gauge(
        "dure_gpu_dram_active_ratio", "Part of the time in which its memory was moved.", "dram_active_percent", per=100
    ),
    _gauge("dure_gpu_memory_total_bytes", "Memory there is.", "memory_total_bytes"),
    _gauge("dure_gpu_memory_used_bytes", "Memory in use.", "memory_used_bytes"),
    _gauge("dure_gpu_power_watts", "Power drawn; of no MIG instance.", "power_milliwatts", per=1000),
    _gauge(
        "dure_gpu_power_limit_watts", "Power that it may draw; of no MIG instance.", "power_limit_milliwatts", per=1000
    ),
    _counter(
        "dure_gpu_energy_joules_total",
        "Energy drawn since the driver was loaded; of no MIG instance.",
        "energy_millijoules",
        per=1000,
    ),
    _gauge("dure_gpu_sm_clock_hertz", "Clock of its SMs.", "sm_clock_megahertz", times=1_000_000),
    _gauge("dure_gpu_memory_clock_hertz", "Clock of its memory.", "memory_clock_megahertz", times=1_000_000),
    Parts(
        name="dure_gpu_throttled",
        kind="gauge",
        about="1 for each of NVML's reasons for which clocks are held down now, else 0; gpu_idle is one.",
        more=("reason",),
        fields=("throttle_reasons",),
        times=len(THROTTLE_REASONS),
        read=_throttled,
    ),
    Parts(
        name="dure_gpu_throttled_seconds_total",
        kind="counter",
        about="How long clocks were held down, by why.",
        more=("reason",),
        fields=("throttled_nanoseconds",),
        times=len(THROTTLE_REASONS),
        read=_throttled_seconds,
    ),
    _gauge("dure_gpu_temperature_celsius", "Temperature.", "temperature_celsius"),
    _gauge("dure_gpu_memory_temperature_celsius", "Temperature of its memory.", "memory_temperature_celsius"),
    _gauge("dure_gpu_slowdown_temperature_celsius", "Where it slows itself down.", "slowdown_celsius"),
    _counter(
        "dure_gpu_ecc_corrected_errors_total",
        "ECC errors that were corrected, since the driver was loaded.",
        "ecc_corrected",
    ),
    _counter("dure_gpu_ecc_uncorrected_errors_total", "Those that were not.", "ecc_uncorrected"),
    _counter(
        "dure_gpu_ecc_uncorrected_errors_lifetime_total", "Those over the GPU's life.", "ecc_uncorrected_lifetime"
    ),
    Parts(
        name="dure_gpu_remapped_rows_total",
        kind="counter",
        about="Rows of memory that were remapped over its life, by the errors that were why.",
        more=("errors",),
        fields=("remapped_rows_corrected", "remapped_rows_uncorrected"),
        times=2,
        read=lambda gpu: {"corrected": gpu.remapped_rows_corrected, "uncorrected": gpu.remapped_rows_uncorrected},
    ),
    _gauge("dure_gpu_row_remap_pending", "1 if a row is remapped at the next reset, else 0.", "remap_pending"),
    _gauge("dure_gpu_row_remap_failed", "1 if a row could not be remapped, else 0.", "remap_failed"),
    _counter("dure_gpu_retired_pages_total", "Pages of memory that were retired over its life.", "retired_pages"),
    _gauge(
        "dure_gpu_page_retirement_pending", "1 if a page is retired at the next reset, else 0.", "retired_pages_pending"
    ),
    Parts(
        name="dure_gpu_nvlinks",
        kind="gauge",
        about="NVLinks, active or not.",
        more=("state",),
        fields=("nvlinks_active", "nvlinks_inactive"),
        times=2,
        read=lambda gpu: {"active": gpu.nvlinks_active, "inactive": gpu.nvlinks_inactive},
    ),
    _counter("dure_gpu_nvlink_errors_total", "Replays, recoveries and CRC errors of all its links.", "nvlink_errors"),
    _counter("dure_gpu_pcie_replays_total", "PCIe packets that were sent again.", "pcie_replays"),
    _gauge(
        "dure_gpu_last_xid", "The newest critical XID since the agent started; its number, not an amount.", "last_xid"
    ),
    Parts(
        name="dure_gpu_health",
        kind="gauge",
        about="1 for the state that the GPU is in, else 0.",
        more=("state",),
        fields=("health",),
        times=len(HEALTHS),
        read=lambda gpu: {state: gpu.health == state for state in HEALTHS},
    ),
    Parts(
        name="dure_gpu_lost",
        kind="gauge",
        about="1 for why the GPU does not answer, else 0.",
        more=("reason",),
        fields=("lost",),
        times=len(LOST),
        read=lambda gpu: {reason: gpu.lost == reason for reason in LOST},
    ),
    _gauge(
        "dure_gpu_processes",
        "Processes of the whole host on it, those that are always allowed apart; read around the edges of leases only.",
        "processes",
    ),
)

OF_UNITS = frozenset(one for one in READINGS if one.fields[0] in ("health", "lost"))
"""Of what can be granted alone: a GPU that is cut into instances has none of them, so that they count what there is to be had."""

XIDS = Series(
    name="dure_gpu_xids_total",
    kind="counter",
    about="Critical XIDs that the driver told of since the agent started; of the whole GPU where it is cut into instances.",
    more=("xid",),
    times=MOST_XIDS + 1,
)
VIOLATIONS = Series(
    name="dure_gpu_violations",
    kind="gauge",
    about="Processes and pods on it now that no lease explains; none where nobody can tell.",
    more=("kind",),
    times=2,
)
INFO_FIELDS = (
    "index",
    "serial",
    "pci_bus_id",
    "numa_node",
    "architecture",
    "nvlink_domain",
    "parent",
    "mig_profile",
    "mig_instance",
    "utilization_source",
)
INFO = Series(
    name="dure_gpu_info",
    kind="gauge",
    about="What the GPU is; always 1. A MIG instance has a parent, which is a UUID, and a profile; the parent has one too.",
    more=(*INFO_FIELDS, "driver_version", "cuda_version"),
    fields=INFO_FIELDS,
)
HOLDER = Series(
    name="dure_gpu_holder_info",
    kind="gauge",
    about="Who holds the GPU now; always 1. Without a lease, or without a pod, what is not known is empty.",
    base=("node", "gpu"),
    more=("lease", "company", "namespace", "pod", "container"),
)
SNAPSHOT_AGE = Series(
    name="dure_agent_snapshot_age_seconds",
    kind="gauge",
    about="Since the GPUs last answered; since the agent started, while they never did.",
    base=NODE,
)
REPORT_AGE = Series(
    name="dure_agent_report_age_seconds", kind="gauge", about="Since a report was last taken.", base=NODE
)
REPORTS = Series(
    name="dure_agent_reports_total",
    kind="counter",
    about="Reports sent, by what came of it.",
    base=NODE,
    more=("outcome",),
    times=5,
)
CLOCK = Series(
    name="dure_agent_clock_offset_seconds",
    kind="gauge",
    about="How far the node's clock is ahead of the allocator's; it decides nothing.",
    base=NODE,
)
SPOOL = Series(
    name="dure_agent_spool_bytes",
    kind="gauge",
    about="Room on disk that is taken for what waits to be told to the allocator.",
    base=NODE,
)
DROPPED = Series(
    name="dure_agent_spool_dropped_total",
    kind="counter",
    about="Events that were dropped untold, as there was no more room.",
    base=NODE,
)
SEES = Series(
    name="dure_agent_sees_processes",
    kind="gauge",
    about="1 if the agent sees the processes of the host, else 0; then no GPU can be proved empty.",
    base=NODE,
)
BUILD = Series(
    name="dure_agent_build_info", kind="gauge", about="The agent's version; always 1.", base=NODE, more=("version",)
)

TABLE: tuple[Series, ...] = (
    *READINGS,
    XIDS,
    VIOLATIONS,
    INFO,
    HOLDER,
    SNAPSHOT_AGE,
    REPORT_AGE,
    REPORTS,
    CLOCK,
    SPOOL,
    DROPPED,
    SEES,
    BUILD,
)
