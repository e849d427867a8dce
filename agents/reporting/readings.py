"""From a sample to the report that goes over the wire, as JSON has it. No value is made up: what cannot be sent is null."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from agents.reporting import wire
from agents.reporting.wire import Json
from agents.snapshot import GpuSnapshot, Holder, Sample, Violation
from agents.totals import Use

COUNT = (0, 1 << 62)
NUMBERS: Mapping[str, tuple[int, int]] = {
    "memory_total_bytes": COUNT,
    "memory_used_bytes": COUNT,
    "utilization_percent": (0, 100),
    "power_milliwatts": COUNT,
    "energy_millijoules": COUNT,
    "temperature_celsius": (-100, 300),
    "processes": COUNT,
    "numa_node": (0, 65_535),
    "ecc_uncorrected": COUNT,
    "last_xid": COUNT,
}
TEXTS = ("health_reason", "mig_profile", "serial", "pci_bus_id", "nvlink_domain")

IDENTITY = frozenset(
    {"uuid", "index", "product", "parent", "mig_profile", "serial", "pci_bus_id", "numa_node", "nvlink_domain"}
)
"""What a GPU is; the rest of a reading may change."""

FIRST = frozenset({"uuid", "index", "product", "health", "health_reason", *list(NUMBERS)[:7]})
"""What a reading was in version 1."""

THROTTLES = ("hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown")
"""Reasons to hold clocks down that are a sign of trouble: a power cap, or nothing to do, is none."""

_UUID = re.compile(r"(GPU|MIG)-[0-9A-Za-z./-]{1,90}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


SHRUNK = ("ended", "usage", "holders", "violations", "replay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """How much of each list, and of each text, a report may carry."""

    text: int = 200
    gpus: int = 256
    product: int = 100
    ended: int = 2048
    usage: int = 1024
    holders: int = 512
    violations: int = 64
    replay: int = 256

    def halved(self) -> "Caps":
        """For a report that came out too large. GPUs stay: one that is left out is one that is gone."""
        fewer = {name: (most + 1) // 2 for name, most in asdict(self).items() if name in SHRUNK}
        return replace(self, text=max(8, self.text // 2), product=max(20, self.product // 2), **fewer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """GPUs as they are told, and what of each made no sense, by its UUID."""

    gpus: list[Json]
    nonsense: Mapping[str, frozenset[str]]
    left_out: int = 0
    """GPUs for which there was no room."""


def readings(gpus: Iterable[GpuSnapshot], caps: Caps) -> Readings:
    """A value outside what the wire takes is unknown; a GPU that cannot be named is left out."""
    told: dict[str, Json] = {}
    nonsense: dict[str, frozenset[str]] = {}
    for gpu in gpus:
        values, wrong = _reading(gpu, caps)
        if wrong:
            nonsense[gpu.uuid] = wrong
        if not wrong & {"uuid", "index", "product"}:
            told.setdefault(gpu.uuid, values)
    found = list(told.values())
    return Readings(gpus=found[: caps.gpus], nonsense=nonsense, left_out=max(0, len(found) - caps.gpus))


def known_ended(sample: Sample, caps: Caps) -> list[str]:
    """Allocations that the sample knew to be over, but for those whose GPU may not be called empty yet."""
    return sorted(_ids(sample.allocations.ended() - (sample.unproved or {}).keys()))[: caps.ended]


def unproved(sample: Sample, caps: Caps) -> list[Json]:
    found = sorted((sample.unproved or {}).items())
    return [{"allocation": one, "why": text(why, caps.text)} for one, why in found if _ID.fullmatch(one)][: caps.ended]


def holders(found: Iterable[Holder] | None, caps: Caps) -> list[Json] | None:
    if found is None:
        return None
    return [
        {
            "gpu": item.gpu,
            "namespace": text(item.namespace, 253),
            "pod": text(item.pod, 253),
            "container": text(item.container, 253),
            "resource": text(item.resource, caps.text),
        }
        for item in found
        if _UUID.fullmatch(item.gpu) and item.namespace and item.pod and item.container
    ][: caps.holders]


def violations(sample: Sample, caps: Caps) -> list[Json] | None:
    """Null where nobody could see any: neither the host's processes nor who holds what."""
    if not sample.snapshot.sees_processes and sample.holders is None:
        return None
    return [_violation(item, caps) for item in sample.violations if _UUID.fullmatch(item.gpu)][: caps.violations]


def usage(uses: Iterable[Use]) -> list[Json]:
    return [_usage(use) for use in uses if _ID.fullmatch(use.allocation)]


def _usage(use: Use) -> Json:
    return {
        "allocation": use.allocation,
        "day_began_at": wire.instant(use.day),
        "sampled_ms": use.sampled_ms,
        "busy_ms": use.busy_ms,
        "energy_millijoules": use.energy_millijoules,
        "memory_ms": use.memory_ms,
        "memory_mebibyte_s": use.memory_mebibyte_s,
    }


def text(said: str, most: int) -> str:
    """So much of it, without what no line of text may hold."""
    return _CONTROL.sub(" ", said[:most])


def some_text(said: str | None, most: int) -> str | None:
    return None if said is None else text(said, most)


def _reading(gpu: GpuSnapshot, caps: Caps) -> tuple[Json, frozenset[str]]:
    values: Json = {"uuid": gpu.uuid, "index": gpu.index, "product": gpu.product[: caps.product], "health": gpu.health}
    wrong = {name for name, good in _identity(gpu) if not good}
    for name in TEXTS:
        values[name] = some_text(getattr(gpu, name), caps.text)
    for name, (least, most) in NUMBERS.items():
        value = getattr(gpu, name)
        values[name] = value
        if value is not None and not (type(value) is int and least <= value <= most):
            values[name] = None
            wrong.add(name)
    values["parent"] = gpu.parent if gpu.parent is None or _UUID.fullmatch(gpu.parent) else None
    values["throttled"] = _throttled(gpu)
    return values, frozenset(wrong)


def _identity(gpu: GpuSnapshot) -> Iterable[tuple[str, bool]]:
    yield "uuid", _UUID.fullmatch(gpu.uuid) is not None
    yield "index", 0 <= gpu.index <= 1023
    yield "product", bool(gpu.product) and _CONTROL.search(gpu.product[:100]) is None


def _throttled(gpu: GpuSnapshot) -> str | None:
    held = [why for why in THROTTLES if why in (gpu.throttle_reasons or ())]
    return ", ".join(held) or None


def _violation(item: Violation, caps: Caps) -> Json:
    def cut(said: str | None, most: int) -> str | None:
        return None if said is None else text(said, most) or None

    return {
        "gpu": item.gpu,
        "kind": item.kind,
        "since": round(min(max(item.since, 0.0), wire.LATEST_TIME), 3),
        "pid": item.pid,
        "name": cut(item.name, caps.text),
        "cgroup": cut(item.cgroup, 5 * caps.text),
        "container": cut(item.container, caps.text),
        "pod_uid": cut(item.pod_uid, caps.text),
        "namespace": cut(item.namespace, 253),
        "pod": cut(item.pod, 253),
    }


def _ids(found: Iterable[str]) -> Iterable[str]:
    return (one for one in found if _ID.fullmatch(one))


def first_version(body: Mapping[str, Any]) -> Json:
    """A whole report as an allocator of the release before takes it."""
    left = ("cuda_version", "holders", "violations", "unproved", "events", "earlier")
    gpus = [{name: value for name, value in gpu.items() if name in FIRST} for gpu in body["gpus"]]
    return {**{name: value for name, value in body.items() if name not in left}, "version": 1, "gpus": gpus}
