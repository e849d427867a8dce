"""A node's report and its answer as the allocator works with them: the shapes of `dure.wire.reports`, fast to read and to write.

Bounds are checked as they are read, but for the letters that names may have: `clean` does that. A field that was not sent is
`UNSET`, which is no value either; in a change it is what stays as it was.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Count = Annotated[int, Meta(ge=0, le=1 << 62)]
Number = Annotated[int, Meta(ge=1, le=1 << 62)]
Text = Annotated[str, Meta(max_length=200)]
Long = Annotated[str, Meta(max_length=1000)]
Label = Annotated[str, Meta(min_length=1, max_length=100)]
KubeName = Annotated[str, Meta(min_length=1, max_length=253)]
Uuid = Annotated[str, Meta(min_length=5, max_length=94)]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
NodeTime = Annotated[float, Meta(ge=0, le=1e11)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Celsius = Annotated[int, Meta(ge=-100, le=300)]
Health = Literal["ok", "suspect", "unhealthy"]


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Of a report: frozen, and fields that nobody knows are refused."""


class GpuReading(_Part, kw_only=True, frozen=True):
    """One GPU at one instant."""

    uuid: Uuid
    index: Annotated[int, Meta(ge=0, le=1023)]
    product: Label
    health: Health
    health_reason: Text | UnsetType | None = UNSET
    memory_total_bytes: Count | UnsetType | None = UNSET
    memory_used_bytes: Count | UnsetType | None = UNSET
    utilization_percent: Percent | UnsetType | None = UNSET
    power_milliwatts: Count | UnsetType | None = UNSET
    energy_millijoules: Count | UnsetType | None = UNSET
    temperature_celsius: Celsius | UnsetType | None = UNSET
    processes: Count | UnsetType | None = UNSET
    parent: Uuid | UnsetType | None = UNSET
    mig_profile: Text | UnsetType | None = UNSET
    serial: Text | UnsetType | None = UNSET
    pci_bus_id: Text | UnsetType | None = UNSET
    numa_node: Annotated[int, Meta(ge=0, le=65_535)] | UnsetType | None = UNSET
    nvlink_domain: Text | UnsetType | None = UNSET
    ecc_uncorrected: Count | UnsetType | None = UNSET
    last_xid: Count | UnsetType | None = UNSET
    throttled: Text | UnsetType | None = UNSET


class GpuChange(_Part, kw_only=True, frozen=True):
    """What changed of a GPU since the report that this one builds on."""

    uuid: Uuid
    health: Health | UnsetType | None = UNSET
    health_reason: Text | UnsetType | None = UNSET
    memory_total_bytes: Count | UnsetType | None = UNSET
    memory_used_bytes: Count | UnsetType | None = UNSET
    utilization_percent: Percent | UnsetType | None = UNSET
    power_milliwatts: Count | UnsetType | None = UNSET
    energy_millijoules: Count | UnsetType | None = UNSET
    temperature_celsius: Celsius | UnsetType | None = UNSET
    processes: Count | UnsetType | None = UNSET
    ecc_uncorrected: Count | UnsetType | None = UNSET
    last_xid: Count | UnsetType | None = UNSET
    throttled: Text | UnsetType | None = UNSET


class GpuHolder(_Part, kw_only=True, frozen=True):
    """A container that the kubelet gave a GPU to."""

    gpu: Uuid
    namespace: KubeName
    pod: KubeName
    container: KubeName
    resource: Text


class GpuViolation(_Part, kw_only=True, frozen=True):
    """Somebody on a GPU whom no lease explains."""

    gpu: Uuid
    kind: Literal["process", "pod"]
    since: NodeTime
    pid: Count | UnsetType | None = UNSET
    name: Text | UnsetType | None = UNSET
    cgroup: Long | UnsetType | None = UNSET
    container: Text | UnsetType | None = UNSET
    pod_uid: Text | UnsetType | None = UNSET
    namespace: KubeName | UnsetType | None = UNSET
    pod: KubeName | UnsetType | None = UNSET


class Unproved(_Part, kw_only=True, frozen=True):
    """An allocation that is over, and why its GPU may not be called empty yet."""

    allocation: Id
    why: Text


class NodeEvent(_Part, kw_only=True, frozen=True):
    """Something that happened on a node, at `at` of its own clock."""

    id: Number
    at: NodeTime
    kind: Literal["xid", "health", "device", "violation", "proof"]
    gpu: Uuid | UnsetType | None = UNSET
    detail: dict[Id, Long | int | float | bool | None] | UnsetType = UNSET


class AllocationUsage(_Part, kw_only=True, frozen=True):
    """Running totals of one allocation on one day. `day_began_at` is as it was written."""

    allocation: Id
    day_began_at: Annotated[str, Meta(max_length=40)]
    sampled_ms: Count
    busy_ms: Count
    energy_millijoules: Count | UnsetType | None = UNSET
    memory_ms: Count | UnsetType = UNSET
    memory_mebibyte_s: Count | UnsetType = UNSET


class EarlierUsage(_Part, kw_only=True, frozen=True):
    """Running totals of an agent process that is gone."""

    boot: Id
    usage: Annotated[list[AllocationUsage], Meta(min_length=1, max_length=4096)]


class Report(_Part, kw_only=True, frozen=True):
    """All that a report says; a whole one, or one that builds on `base`."""

    version: Literal[1, 2] | UnsetType = UNSET
    boot: Id
    host_boot: Id | UnsetType | None = UNSET
    seq: Number
    sent_at: NodeTime
    interval_s: Annotated[float, Meta(ge=0.1, le=3600)]
    agent_version: Text
    driver_version: Text | UnsetType | None = UNSET
    gpus: Annotated[list[GpuReading], Meta(max_length=1024)]
    knew_ended: Annotated[list[Id], Meta(max_length=4096)] | UnsetType = UNSET
    usage: Annotated[list[AllocationUsage], Meta(max_length=4096)] | UnsetType = UNSET
    base: Number | UnsetType | None = UNSET
    changed: Annotated[list[GpuChange], Meta(max_length=1024)] | UnsetType = UNSET
    cuda_version: Text | UnsetType | None = UNSET
    holders: Annotated[list[GpuHolder], Meta(max_length=4096)] | UnsetType | None = UNSET
    violations: Annotated[list[GpuViolation], Meta(max_length=256)] | UnsetType | None = UNSET
    unproved: Annotated[list[Unproved], Meta(max_length=4096)] | UnsetType = UNSET
    events: Annotated[list[NodeEvent], Meta(max_length=256)] | UnsetType = UNSET
    earlier: Annotated[list[EarlierUsage], Meta(max_length=16)] | UnsetType = UNSET


class NodeAllocation(Struct, frozen=True, kw_only=True):
    """A GPU of the node held by a lease, or not yet proved empty. Times are written as the wire has them."""

    allocation: str
    gpu: str
    lease: str
    company: str
    starts_at: str
    stops_at: str
    ended: bool
    empty_memory_bytes: int | None


class Answer(Struct, frozen=True, kw_only=True):
    """What a report is answered."""

    server_time: float
    seq: int
    allocations: list[NodeAllocation]
    midnights: list[str]
    whole: bool = False
    events_taken: int | None = None
    earlier_taken: list[str] = []
    replay: int = 0
    pools: dict[str, str] | None = None
    report_in_s: float | None = None


_UUID = re.compile(r"(GPU|MIG)-[0-9A-Za-z./-]{1,90}")
_ID = re.compile(r"[A-Za-z0-9_-]+")
_LABEL = re.compile(r"[^\x00-\x1f\x7f]+")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})")
_YEARS = range(1970, 3000)


def clean(report: Report) -> bool:
    """Whether every name in it has the letters that such names have, and nothing is in it that its version does not have."""
    return _sane_names(report) and _sane_lists(report)


def _sane_names(report: Report) -> bool:
    return (
        _is_id(report.boot)
        and (not report.host_boot or _is_id(report.host_boot))
        and all(_is_uuid(gpu.uuid) and _is_label(gpu.product) for gpu in report.gpus)
        and all(not gpu.parent or _is_uuid(gpu.parent) for gpu in report.gpus)
        and all(_is_uuid(change.uuid) for change in report.changed or ())
        and all(_is_id(allocation) for allocation in report.knew_ended or ())
        and _sane_usage(report.usage or ())
    )


def _sane_usage(usage: Iterable[AllocationUsage]) -> bool:
    return all(_is_id(use.allocation) and instant(use.day_began_at) is not None for use in usage)


def _sane_lists(report: Report) -> bool:
    return (
        all(_is_uuid(holder.gpu) for holder in report.holders or ())
        and all(_is_uuid(found.gpu) for found in report.violations or ())
        and all(_is_id(one.allocation) for one in report.unproved or ())
        and all(_sane_event(event) for event in report.events or ())
        and all(_is_id(one.boot) and _sane_usage(one.usage) for one in report.earlier or ())
    )


def _sane_event(event: NodeEvent) -> bool:
    return (not event.gpu or _is_uuid(event.gpu)) and all(_is_id(name) for name in event.detail or ())


@lru_cache(maxsize=1 << 10)
def instant(text: str) -> datetime | None:
    """The instant that a text with whole seconds and an offset stands for, in UTC; None for any other text."""
    if _INSTANT.fullmatch(text) is None:
        return None
    try:
        found = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found.year in _YEARS else None


# What a node says of its GPUs is said every ten seconds in the same words.


@lru_cache(maxsize=1 << 16)
def _is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


@lru_cache(maxsize=1 << 16)
def _is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


@lru_cache(maxsize=1 << 10)
def _is_label(text: str) -> bool:
    return _LABEL.fullmatch(text) is not None
