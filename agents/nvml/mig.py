"""MIG: what a GPU is cut into, and what can be said of one instance. What NVML tells of the whole GPU alone is absent here."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import pynvml

from agents.nvml import failures, gpm, identity, readings
from agents.nvml.asking import Asking
from agents.nvml.gpm import Gpm
from agents.snapshot import GpuSnapshot

OF_INSTANCE = frozenset(
    {
        *("uuid", "index", "product", "parent", "mig_profile", "mig_instance", "serial", "pci_bus_id", "numa_node"),
        *("architecture", "lost", "trouble", "health", "health_reason", "utilization_source", *gpm.FIELDS),
        *("memory_total_bytes", "memory_used_bytes", "last_xid", "processes", "seen", "absent"),
    }
)
OF_WHOLE: Mapping[str, str] = {
    field.name: failures.OF_MIG for field in fields(GpuSnapshot) if field.name not in OF_INSTANCE
}
"""Why these are None for every instance."""

OF_CARD = ("serial", "pci_bus_id", "numa_node", "architecture")
"""What is true of an instance because it is of the card that it is on."""


@dataclass(frozen=True, slots=True)
class Mode:
    """Whether the GPU is cut, and whether it will be after its next reset."""

    on: bool
    pending: bool


def mode(ask: Asking, handle: Any) -> Mode:
    """Off for a GPU that cannot be cut. Raises LayoutUnknown where it cannot be told."""
    ask.begin()
    found = ask("mig", pynvml.nvmlDeviceGetMigMode, handle)
    _check(ask)
    if found is None:
        return Mode(False, False)
    enabled = pynvml.NVML_DEVICE_MIG_ENABLE
    return Mode(found[0] == enabled, found[1] == enabled)


def trouble(mode: Mode, *, uuid: str, instances: int) -> str | None:
    """What is half done, and what to do about it; None where all is well."""
    if mode.on != mode.pending:
        after, back = ("on", 0) if mode.pending else ("off", 1)
        return (
            f"MIG will be {after} after the next reset of {uuid}: reset it with `nvidia-smi -i {uuid} --gpu-reset`,"
            f" or take that back with `nvidia-smi -i {uuid} -mig {back}`"
        )
    if mode.on and not instances:
        return (
            f"MIG is on for {uuid} and it has no instances, so nobody can use it: make some with"
            f" `nvidia-smi mig -i {uuid} -cgi PROFILES -C`, or turn MIG off with `nvidia-smi -i {uuid} -mig 0`"
        )
    return None


def handles(ask: Asking, handle: Any) -> Iterator[Any]:
    """Of the instances that there are; their places may have gaps. Raises LayoutUnknown where they cannot all be told."""
    places = ask("mig", pynvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0
    for at in range(places):
        found = ask("mig", pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, at)
        if found is not None:
            yield found
    _check(ask)


def _check(ask: Asking) -> None:
    if ask.trouble is not None:
        raise failures.LayoutUnknown(ask.trouble)


class Instance:
    """One MIG instance for as long as it keeps its UUID."""

    def __init__(self, handle: Any, card: Any, of: Mapping[str, Any], absent: Mapping[str, str]) -> None:
        self.ask = Asking({**OF_WHOLE, **absent})
        self.gpu_instance: int | None = self.ask("mig_instance", pynvml.nvmlDeviceGetGpuInstanceId, handle)
        compute = self.ask("mig_instance", pynvml.nvmlDeviceGetComputeInstanceId, handle)
        name = identity.product(self.ask, handle)
        profile = profile_of(name) or _profile(self.ask, handle)
        self.values: dict[str, Any] = {
            **{name: of[name] for name in OF_CARD},
            "product": _product(name, profile),
            "mig_profile": profile,
            "mig_instance": None if self.gpu_instance is None or compute is None else f"{self.gpu_instance}/{compute}",
        }
        self.shares = False
        """Whether other compute instances share its GPU instance, whose counters are then of them all."""
        self.trouble: str | None = None
        self._gpm = self._counters(card)

    def read(self, handle: Any, now: float) -> None:
        self.ask.begin()
        readings.memory_into(self.values, self.ask, handle)
        if self._gpm is None or self.shares:
            self._without_counters()
        else:
            self._with_counters(self._gpm, now)
        self.trouble = self.ask.trouble

    def close(self) -> None:
        if self._gpm is not None:
            self._gpm.close()

    def _counters(self, card: Any) -> Gpm | None:
        """The GPU that it is cut from is asked, by the number of the GPU instance."""
        if self.gpu_instance is None or not gpm.supported(self.ask, card):
            return None
        return Gpm(partial(pynvml.nvmlGpmMigSampleGet, card, self.gpu_instance))

    def _with_counters(self, counters: Gpm, now: float) -> None:
        counters.read_into(self.values, self.ask, now)
        if self.values["utilization_percent"] is None:
            self.ask.lacks("utilization_percent", self.ask.absent.get("sm_active_percent", failures.NOT_SUPPORTED))
        self.values["utilization_source"] = None if self.values["utilization_percent"] is None else "gpm"

    def _without_counters(self) -> None:
        self.values.update(dict.fromkeys((*gpm.FIELDS, "utilization_source")))
        for name in gpm.FIELDS:
            self.ask.lacks(name, failures.OF_MIG)


def mark_shared(instances: Sequence[Instance]) -> None:
    """Marks those whose GPU instance is cut further, into several compute instances."""
    count = Counter(one.gpu_instance for one in instances)
    for one in instances:
        one.shares = count[one.gpu_instance] > 1


def profile_of(product: str) -> str | None:
    """As NVML's own name of an instance ends with: `1g.10gb`, or `1c.3g.40gb` for a part of a GPU instance."""
    _, found, profile = product.rpartition(" MIG ")
    return profile if found and profile else None


def _product(name: str, profile: str | None) -> str:
    """As NVML's own name, also where a driver's leaves the profile out: instances of two profiles are never one product."""
    return name if profile is None or profile_of(name) == profile else f"{name} MIG {profile}"


def _profile(ask: Asking, handle: Any) -> str | None:
    """What NVML's name would have said, out of the sizes of the instance."""
    found = ask("mig_profile", pynvml.nvmlDeviceGetAttributes_v2, handle)
    if found is None:
        return None
    slices, compute = found.gpuInstanceSliceCount, found.computeInstanceSliceCount
    part = f"{compute}c." if compute != slices else ""
    return f"{part}{slices}g.{-(-found.memorySizeMB // 1024)}gb"
