"""What is wrong with a GPU now, out of what was read of it, and whether it was reset: pure, on frozen values.

What could not be read says nothing: neither that it is well nor that it is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from agents.health.facts import Facts
from agents.health.verdicts import CHECK, ECC, LASTING, Rule, Table
from agents.snapshot import GpuSnapshot

Anchor = tuple[float, int]
"""A counter's value and the monotonic second at which it was seen, from which its growth is measured."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What is remembered of readings to tell growth and a reset by."""

    energy_millijoules: int | None = None
    ecc_uncorrected: int | None = None
    ecc_lifetime: int | None = None
    remap_pending: bool | None = None
    retired_pages_pending: bool | None = None
    nvlinks_most: int | None = None
    nvlink_errors: Anchor | None = None
    pcie_replays: Anchor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`signs` is what is wrong now, by its key in the table, with what was seen where that says more. `begun` is since when what
    must last does, whether it counts yet or not.
    """

    counters: Counters
    signs: Mapping[str, str | None] = field(default_factory=dict)
    begun: Mapping[str, float] = field(default_factory=dict)
    was_reset: bool = False


def read(before: Counters, begun: Mapping[str, float], facts: Facts, table: Table, now: float) -> Seen:
    """`now` is monotonic, as the times in `begun`."""
    reading = facts.reading
    signs: dict[str, str | None] = {f"xid {xid}": None for xid in facts.xids if table.of_xid(xid).verdict != "ok"}
    _levels(reading, signs)
    if facts.passed is False:
        signs[CHECK] = facts.why
    _errors(before, reading, table.rules[ECC], signs)
    nvlink, grew = _grown(before.nvlink_errors, reading.nvlink_errors, table.rules["nvlink_errors"], now)
    if grew:
        signs["nvlink_errors"] = f"{grew} more"
    pcie, grew = _grown(before.pcie_replays, reading.pcie_replays, table.rules["pcie_replays"], now)
    if grew:
        signs["pcie_replays"] = f"{grew} more"
    lasting = _lasting(before, reading)
    if lasting or begun:
        begun = {key: min(begun.get(key, now), now) for key in lasting}
        signs.update({key: lasting[key] for key, at in begun.items() if now - at >= table.rules[key].lasting_s})
    counters = Counters(
        energy_millijoules=_newer(reading.energy_millijoules, before.energy_millijoules),
        ecc_uncorrected=_newer(reading.ecc_uncorrected, before.ecc_uncorrected),
        ecc_lifetime=_newer(reading.ecc_uncorrected_lifetime, before.ecc_lifetime),
        remap_pending=_newer(reading.remap_pending, before.remap_pending),
        retired_pages_pending=_newer(reading.retired_pages_pending, before.retired_pages_pending),
        nvlinks_most=_most(before.nvlinks_most, reading.nvlinks_active),
        nvlink_errors=nvlink,
        pcie_replays=pcie,
    )
    return Seen(counters=counters, signs=signs, begun=begun, was_reset=was_reset(before, reading))


def was_reset(before: Counters, reading: GpuSnapshot) -> bool:
    """Whether a counter that counts since the driver took the GPU began anew, or what only a reset does was done."""
    return (
        _fell(before.energy_millijoules, reading.energy_millijoules)
        or _fell(before.ecc_uncorrected, reading.ecc_uncorrected)
        or (before.remap_pending is True and reading.remap_pending is False)
        or (before.retired_pages_pending is True and reading.retired_pages_pending is False)
    )


def _levels(reading: GpuSnapshot, signs: dict[str, str | None]) -> None:
    if reading.lost is not None:
        signs[reading.lost] = None
    if reading.trouble is not None:
        signs["trouble"] = reading.trouble
    if reading.remap_pending:
        signs["remap_pending"] = None
    if reading.remap_failed:
        signs["remap_failed"] = None
    if reading.retired_pages_pending:
        signs["retired_pages_pending"] = None


def _errors(before: Counters, reading: GpuSnapshot, rule: Rule, signs: dict[str, str | None]) -> None:
    """Errors since the last reset count even if nobody saw them come. Those of the whole life count where they grow."""
    recent, life = reading.ecc_uncorrected, reading.ecc_uncorrected_lifetime
    known = 0 if _fell(before.ecc_uncorrected, recent) else before.ecc_uncorrected or 0
    if recent is not None and recent > known and recent >= rule.at_least:
        signs[ECC] = f"{recent} since the last reset"
    elif recent is None and life is not None and before.ecc_lifetime is not None and life > before.ecc_lifetime:
        signs[ECC] = f"{life} in its life"


def _grown(anchor: Anchor | None, value: int | None, rule: Rule, now: float) -> tuple[Anchor | None, int]:
    """Where to measure from next, and by how much the counter grew if that is too much."""
    if value is None:
        return anchor, 0
    if anchor is None or value < anchor[1] or now < anchor[0]:
        return (now, value), 0
    grown = value - anchor[1]
    if now - anchor[0] > rule.per_s:
        return (now, value), 0
    return ((now, value), grown) if grown >= rule.at_least else (anchor, 0)


def _lasting(before: Counters, reading: GpuSnapshot) -> dict[str, str | None]:
    found: dict[str, str | None] = {reason: None for reason in reading.throttle_reasons or () if reason in LASTING}
    at, limit = reading.temperature_celsius, reading.slowdown_celsius
    if at is not None and limit is not None and at >= limit:
        found["hot"] = f"{limit} °C"
    up, most = reading.nvlinks_active, before.nvlinks_most
    if up is not None and most is not None and up < most:
        found["nvlink_down"] = f"{up} of {most}"
    return found


def _fell(before: int | None, now: int | None) -> bool:
    return before is not None and now is not None and now < before


def _newer(now: T | None, before: T | None) -> T | None:
    return before if now is None else now


def _most(before: int | None, now: int | None) -> int | None:
    return now if before is None else before if now is None else max(before, now)
