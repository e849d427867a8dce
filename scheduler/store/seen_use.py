"""What agents saw of allocations: running totals per agent process and day, written for many reports at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import msgspec
import structlog
from msgspec import UNSET, UnsetType
from sqlalchemy import text
from sqlmodel import Session

from dure.errors import InvalidRequest
from scheduler import days
from scheduler.core.reported import AllocationUsage, Report, instant

log = structlog.get_logger()

MOST_MILLIWATTS = 20_000_000
"""More than any GPU draws."""

MOST_MEBIBYTES = 2 << 20
"""More memory than any GPU has."""

_SAID = {
    "report.future_day": "use of days that have not begun is passed over; see to the clock of the node",
    "report.impossible_use": "more use than a GPU can have is passed over; see to the agent of the node",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the agent process `boot` of a node saw."""

    node: str
    boot: str
    usage: Sequence[AllocationUsage]


def check(report: Report) -> None:
    """Raises InvalidRequest for more busy time than there was."""
    _check("usage", report.usage or ())
    for index, earlier in enumerate(report.earlier or ()):
        _check(f"earlier.{index}.usage", earlier.usage)


def _check(field: str, usage: Iterable[AllocationUsage]) -> None:
    for index, use in enumerate(usage):
        if use.busy_ms > use.sampled_ms:
            raise InvalidRequest.about(
                f"{field}.{index}.busy_ms", f"busy {use.busy_ms} ms of {use.sampled_ms} ms sampled"
            )


def of(node: str, report: Report) -> list[Seen]:
    """All that a report says of use: of the agent process that sends it, and of those before it."""
    found = [Seen(node=node, boot=report.boot, usage=report.usage)] if report.usage else []
    return found + [Seen(node=node, boot=one.boot, usage=one.usage) for one in report.earlier or ()]


_NUMBERS = ("sampled_ms", "busy_ms", "energy_millijoules", "memory_ms", "memory_mebibyte_s")

_WRITE = text(
    f"""
    INSERT INTO allocation_use (allocation, boot, day, {", ".join(_NUMBERS)})
    SELECT a.id, u.boot, u.day, {", ".join(f"u.{name}" for name in _NUMBERS)}
    FROM unnest(CAST(:nodes AS text[]), CAST(:ids AS text[]), CAST(:boots AS text[]), CAST(:days AS date[]),
        {", ".join(f"CAST(:{name} AS bigint[])" for name in _NUMBERS)})
        AS u (node, id, boot, day, {", ".join(_NUMBERS)})
    JOIN allocation a ON a.id = u.id AND a.node = u.node
    JOIN lease l ON l.id = a.lease AND l.counted_at IS NULL
    ORDER BY a.id, u.boot, u.day
    ON CONFLICT (allocation, boot, day) DO UPDATE SET
        {", ".join(f"{name} = greatest(allocation_use.{name}, excluded.{name})" for name in _NUMBERS)}
    """
)
"""Running totals, so the larger is the newer. An allocation of another node is not this one's to speak of, and what is
counted is counted."""


def write(session: Session, seen: Iterable[Seen], zone: ZoneInfo, *, now: float) -> None:
    """Writes the totals; those that were told before change nothing. What cannot be is not written, and is no reason to refuse the
    rest of a report: use of days beyond tomorrow, by an agent whose clock is off, and more than a GPU can.
    """
    last: dict[tuple[str, str, str, date], AllocationUsage] = {}
    wrong: dict[tuple[str, str], list[AllocationUsage]] = {}
    begun: dict[str, date] = {}
    tomorrow = days.of(now, zone) + timedelta(days=1)
    for one in seen:
        for use in one.usage:
            day = begun.get(use.day_began_at)
            if day is None:
                day = begun[use.day_began_at] = _day(use, zone)
            kept = _possible(use)
            if day <= tomorrow:
                last[one.node, use.allocation, one.boot, day] = kept
            else:
                wrong.setdefault((one.node, "report.future_day"), []).append(use)
            if kept is not use:
                wrong.setdefault((one.node, "report.impossible_use"), []).append(use)
    for (node, action), uses in wrong.items():
        log.warning(_SAID[action], action=action, node=node, rows=len(uses), first=msgspec.to_builtins(uses[0]))
    if last:
        session.connection().execute(_WRITE, _arrays(last))


def _possible(use: AllocationUsage) -> AllocationUsage:
    """The same without what no GPU can have used in that time, which is unknown then."""
    anew: dict[str, int | None] = {}
    if (use.energy_millijoules or 0) * 1000 > MOST_MILLIWATTS * use.sampled_ms:
        anew["energy_millijoules"] = None
    if (use.memory_mebibyte_s or 0) * 1000 > MOST_MEBIBYTES * (use.memory_ms or 0):
        anew |= {"memory_ms": 0, "memory_mebibyte_s": 0}
    return msgspec.structs.replace(use, **anew) if anew else use


def _day(use: AllocationUsage, zone: ZoneInfo) -> date:
    began = instant(use.day_began_at)
    assert began is not None  # checked before
    return days.begun(began, zone)


def _arrays(last: Mapping[tuple[str, str, str, date], AllocationUsage]) -> dict[str, str]:
    uses = last.values()
    return {
        "nodes": _names(node for node, _, _, _ in last),
        "ids": _names(allocation for _, allocation, _, _ in last),
        "boots": _names(boot for _, _, boot, _ in last),
        "days": _names(day.isoformat() for _, _, _, day in last),
        "sampled_ms": _numbers(use.sampled_ms for use in uses),
        "busy_ms": _numbers(use.busy_ms for use in uses),
        "energy_millijoules": _numbers(use.energy_millijoules for use in uses),
        "memory_ms": _numbers(use.memory_ms or 0 for use in uses),
        "memory_mebibyte_s": _numbers(use.memory_mebibyte_s or 0 for use in uses),
    }


# Arrays as PostgreSQL reads them: ten times as fast as the driver writes them. No name here has a quote or a backslash.


def _names(names: Iterable[str]) -> str:
    return '{"' + '","'.join(names) + '"}'


def _numbers(numbers: Iterable[int | UnsetType | None]) -> str:
    return "{" + ",".join(["NULL" if number is None or number is UNSET else str(number) for number in numbers]) + "}"
