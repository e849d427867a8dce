"""What policy says: of the programme, and of a pool. Each field has its limits here and its default."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from dure import times
from dure.wire.shares import Contended
from dure.wire.values import HORIZON_S, Wire

Rule = Literal["late-slots", "earliest-slot", "only-earlier"]
OnViolation = Literal["observe", "end"]

YEARS_S = 3650 * 86_400
"""The longest half-life."""

_OF_THE_MACHINE = frozenset({"localtime", "posixrules", "Factory"})
"""Names that stand for another zone on each machine."""


def _is_zone(value: str) -> str:
    try:
        known = value not in _OF_THE_MACHINE and ZoneInfo(value).key == value
    except (ValueError, OSError, KeyError):
        known = False
    if not known:
        raise ValueError("is no zone of the IANA database, for example Asia/Seoul or UTC")
    return value


Zone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_is_zone)]


class ProgrammePolicy(Wire):
    """What holds for all pools."""

    zone: Zone = "UTC"
    """The IANA zone in which the periods of budgets and the days of reports begin."""


class PoolPolicy(Wire):
    """How a pool promises, cleans and ends."""

    gap_s: Annotated[int, Field(ge=1, le=86_400, strict=True)] = 30
    """Seconds after a lease for cleaning and proof of empty; at least two report intervals. Not charged."""
    grace_s: Annotated[int, Field(ge=0, le=3600, strict=True)] = 30
    """Seconds before a lease's end at which it becomes `ending`."""
    extension_closes_s: Annotated[int, Field(ge=0, le=86_400, strict=True)] = 600
    """Until so many seconds before its end, and at least until half of its box is over, a lease is extended. Never in its grace."""
    renews_before_s: Annotated[int, Field(ge=60, le=86_400, strict=True)] = 1800
    """So many seconds before extending closes, or a quarter of its box if that is shorter, a lease renews itself."""
    empty_memory_bytes: Annotated[int, Field(ge=0, le=1 << 40, strict=True)] = 1 << 30
    """A GPU with no process and at most this much memory in use is empty."""
    rule: Rule = "late-slots"
    """How asks are promised: `late-slots`, `earliest-slot` or `only-earlier`."""
    slack_ppm: Annotated[int, Field(ge=0, le=2_000_000, strict=True)] = 50_000
    """By how much of its own length, in millionths, an ask that must wait may be promised later than its earliest start."""
    reserve_ppm: Annotated[int, Field(ge=0, le=999_999, strict=True)] = 0
    """The part of the pool, in millionths, that leases longer than `reserve_over_s` never take."""
    reserve_over_s: Annotated[int, Field(ge=0, le=HORIZON_S, strict=True)] = 0
    walk_in_ppm: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] = 0
    """The part of the pool, in millionths, that cannot be booked more than `walk_in_within_s` ahead."""
    walk_in_within_s: Annotated[int, Field(ge=60, le=604_800, strict=True)] = 3600
    seniority_s: Annotated[int, Field(ge=0, le=HORIZON_S, strict=True)] | None = None
    """What has waited longer than this goes first when room appears, and keeps its earliest slot."""
    loss_grace_s: Annotated[int, Field(ge=0, le=86_400, strict=True)] = 300
    """A promise slips for lost capacity only once that was lost for so many seconds: most of it comes back."""
    contended: Contended = "none"
    """When shares count: `none` never, `booked` where more than `contended_ppm` of the pool is booked, `always`."""
    contended_ppm: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] = 900_000
    half_life_s: Annotated[int, Field(ge=60, le=YEARS_S, strict=True)] = 604_800
    """What was used, and what was entitled, counts half after so many seconds."""
    entry_s: Annotated[int, Field(ge=0, le=HORIZON_S, strict=True)] = 3600
    """Up to so many seconds of a lease count as it is granted, before they are used."""
    spot_least_s: Annotated[int, Field(ge=60, le=86_400, strict=True)] | None = 600
    """GPUs that are idle for so many seconds are given to asks for spot; null: none are."""

    no_show_after_s: Annotated[int, Field(ge=60, le=86_400, strict=True)] | None = None
    """A lease on which nothing runs for so many seconds after its start is given back; null: none is."""
    keeps: Annotated[int, Field(ge=0, le=10, strict=True)] = 2
    """How often a company may keep a lease that is to be given back."""
    idle_after_s: Annotated[int, Field(ge=1200, le=604_800, strict=True)] | None = None
    """A lease that hardly uses its GPUs for so many seconds is given back; null: none is. Not for inference."""
    idle_below_ppm: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 50_000
    """What is hardly: a mean utilisation of its GPUs, in millionths, under this in every five minutes."""
    inference_idle_after_s: Annotated[int, Field(ge=1200, le=604_800, strict=True)] | None = None
    """The same for leases for inference, which wait for requests."""
    inference_idle_below_ppm: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 10_000
    violations: OnViolation = "observe"
    """What is done about who is on a GPU that no lease explains: `observe` tells of it, `end` ends a company's pod too."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        for fields, said in contradictions(self.model_dump()):
            raise ValueError(f"{fields[0]}: {said}")
        return self


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What cannot be together in a pool's policy, of which only a part may be known: the fields, and why."""
    closes_s, grace_s = values.get("extension_closes_s"), values.get("grace_s")
    if closes_s is not None and grace_s is not None and closes_s < grace_s:
        said = f"a lease is never extended in its grace, so it is at least the grace, {times.show_duration(grace_s)}"
        yield ("extension_closes_s", "grace_s"), said
