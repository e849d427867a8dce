"""What `dure.wire` says of reports, for a process that has no pydantic: a body as bytes that are never too many, and an answer
as a value.

That both agree with `dure.wire.Report` and `dure.wire.ReportAnswer` is what the tests are for.
"""

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agents.allocations import Held

Json = dict[str, Any]

MOST_BYTES = 1 << 20
MOST_SENT_BYTES = 256 << 10
"""Of a report, and of it as it is sent."""

WORTH_PACKING_BYTES = 1024
"""Below this, packing saves less than one packet of the network, and costs more than it saves."""

LEVEL = 1
"""Of gzip. A whole report of 8 GPUs is 1.0 kB at level 1 and 0.9 at level 6, one of 64 is 4.3 kB and 3.7, in half the time."""

LATEST_ID = 1 << 61
"""Ids of events begin at the milliseconds of Unix time: a greater one than this is none that was ever told."""

_GZIP = 16 + zlib.MAX_WBITS

LATEST_TIME = 1e11
"""No clock that is right shows a later Unix time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A ReportAnswer. `whole` is None where the allocator knows of no second version; times are Unix seconds of its clock."""

    server_time: float
    seq: int
    allocations: tuple[Held, ...] = ()
    midnights: tuple[int, ...] = ()
    whole: bool | None = None
    events_taken: int | None = None
    earlier_taken: tuple[str, ...] = ()
    replay: int = 0
    pools: Mapping[str, str] | None = None
    report_in_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A problem of RFC 9457, as much as is said of it. `fields` are those that were wrong."""

    code: str
    detail: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A report as it goes out."""

    seq: int
    content: bytes
    is_packed: bool
    plain_bytes: int

    @property
    def fits(self) -> bool:
        return self.plain_bytes <= MOST_BYTES and len(self.content) <= MOST_SENT_BYTES


def encoded(said: object) -> bytes:
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def parcel(report: Json) -> Parcel:
    """`report` is a `dure.wire.Report` as JSON has it."""
    plain = encoded(report)
    is_packed = len(plain) >= WORTH_PACKING_BYTES
    return Parcel(
        seq=report["seq"],
        content=_packed(plain) if is_packed else plain,
        is_packed=is_packed,
        plain_bytes=len(plain),
    )


def _packed(plain: bytes) -> bytes:
    packer = zlib.compressobj(LEVEL, wbits=_GZIP)
    return packer.compress(plain) + packer.flush()


def answer(content: bytes) -> Answer | None:
    """None for what is no answer. Fields of a newer allocator are passed over."""
    try:
        said = json.loads(content)
        server_time = _number(said["server_time"])
        if not 0 < server_time < LATEST_TIME:
            return None
        in_s = said.get("report_in_s")
        return Answer(
            server_time=server_time,
            seq=_whole(said["seq"]),
            allocations=tuple(_held(item) for item in _list(said["allocations"])),
            midnights=tuple(int(_instant(item)) for item in _list(said.get("midnights", []))),
            whole=None if "whole" not in said else _is(said["whole"], bool),
            events_taken=None if said.get("events_taken") is None else _id(said["events_taken"]),
            earlier_taken=tuple(_is(boot, str) for boot in _list(said.get("earlier_taken", []))),
            replay=max(0, _whole(said.get("replay", 0))),
            pools=_pools(said.get("pools")),
            report_in_s=None if in_s is None else _number(in_s),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def refusal(content: bytes) -> Refusal | None:
    """None for what is no problem of ours."""
    try:
        said = json.loads(content)
        fields = [_is(each["field"], str) for each in _list(said.get("errors", []))]
        return Refusal(code=_is(said["code"], str), detail=_is(said["detail"], str), fields=tuple(fields))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def instant(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _pools(said: object) -> Mapping[str, str] | None:
    return None if said is None else {gpu: _is(pool, str) for gpu, pool in _is(said, dict).items()}


def _held(item: Mapping[str, Any]) -> Held:
    floor = item.get("empty_memory_bytes")
    return Held(
        allocation=_is(item["allocation"], str),
        gpu=_is(item["gpu"], str),
        lease=_is(item["lease"], str),
        company=_is(item["company"], str),
        starts_at=_instant(item["starts_at"]),
        stops_at=_instant(item["stops_at"]),
        ended=_is(item["ended"], bool),
        empty_memory_bytes=None if floor is None else _whole(floor),
    )


def _instant(said: Any) -> float:
    found = datetime.fromisoformat(_is(said, str))
    if found.tzinfo is None:
        raise ValueError("a time without its offset")
    return found.timestamp()


def _number(said: Any) -> float:
    if isinstance(said, bool) or not isinstance(said, (int, float)) or not math.isfinite(said):
        raise ValueError("no number")
    return float(said)


def _whole(said: Any) -> int:
    if isinstance(said, bool):
        raise ValueError("no whole number")
    return _is(said, int)


def _id(said: Any) -> int:
    if not 0 <= _whole(said) <= LATEST_ID:
        raise ValueError("no id of an event")
    return said


def _list(said: Any) -> list[Any]:
    return _is(said, list)


def _is(said: Any, kind: type) -> Any:
    if not isinstance(said, kind):
        raise ValueError(f"no {kind.__name__}")
    return said
