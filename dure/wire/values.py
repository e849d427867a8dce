"""The small values that every wire type is made of: names, instants, amounts and the shape of an ask."""

import re
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

HORIZON_S = 60 * 24 * 3600
"""How far ahead the calendar reaches, in seconds; no lease is longer than that either."""

MAX_GPUS = 100_000
"""No count on the wire is larger; what a pool can hold is a question for the calendar, not for parsing."""

MAX_GPU_SECONDS = 10**13
"""More than all the GPUs there could be give in three years."""

CompanyName = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
PoolName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
NodeName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
GpuUuid = Annotated[str, StringConstraints(pattern=r"^(GPU|MIG)-[0-9A-Za-z./-]{1,90}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""No time on the wire is outside of these."""


def _no_number(value: object) -> object:
    # Pydantic would read one as Unix time, in seconds or milliseconds by its size.
    if isinstance(value, (int, float)) or (isinstance(value, str) and "-" not in value[1:]):
        raise ValueError("a time is written with its date and offset, for example 2026-11-24T09:00:00+09:00")
    return value


def _whole_seconds_utc(value: datetime) -> datetime:
    if value.microsecond:
        raise ValueError("times are whole seconds, for example 2026-11-24T09:00:00+09:00")
    if not EARLIEST <= value <= LATEST:
        raise ValueError("times lie between 1970 and 2999, for example 2026-11-24T09:00:00+09:00")
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, BeforeValidator(_no_number), AfterValidator(_whole_seconds_utc)]
"""An RFC 3339 time with its offset, whole seconds, between 1970 and 2999; answered in UTC."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def _a_day(value: object) -> object:
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("a day is written 2026-11-24")
    return value


def _known(value: date) -> date:
    if not EARLIEST.date() <= value <= LATEST.date():
        raise ValueError("days lie between 1970 and 2999, for example 2026-11-24")
    return value


Day = Annotated[date, BeforeValidator(_a_day), AfterValidator(_known)]
"""A day of the programme's zone, between 1970 and 2999."""

GpuCount = Annotated[int, Field(ge=1, le=MAX_GPUS, strict=True)]
Seconds = Annotated[int, Field(ge=0, strict=True)]


class Wire(BaseModel):
    """What goes over the wire: frozen, and unknown fields are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Patch(Wire):
    """A change of something: what is left out stays as it is, and null takes it away."""


class LeaseState(StrEnum):
    QUEUED = "queued"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    ENDING = "ending"
    ENDED = "ended"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUSED = "refused"


class EndCause(StrEnum):
    """Why a lease ended. The first cause wins and is never overwritten."""

    EXPIRED = "expired"
    RELEASED = "released"
    PREEMPTED = "preempted"
    IDLE = "idle"
    NO_SHOW = "no_show"
    REVOKED = "revoked"
    NODE_LOST = "node_lost"


class LostCause(StrEnum):
    """Why a GPU was lost to the lease that held it."""

    GPU_GONE = "gpu_gone"
    GPU_UNHEALTHY = "gpu_unhealthy"
    NODE_UNKNOWN = "node_unknown"
    NODE_RESTARTED = "node_restarted"


class Outcome(StrEnum):
    """What a decision says of an ask."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    REFUSED = "refused"


class Role(StrEnum):
    """Whom a token speaks for: an operator reads everything, drains and labels nodes; an auditor reads everything; with one of
    `join` a node's agent makes its own credential, once.
    """

    ADMIN = "admin"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    COMPANY = "company"
    NODE = "node"
    JOIN = "join"


T = TypeVar("T")

Tier = Literal["reserved", "spot"]
Purpose = Literal["training", "inference"]


class Shape(Wire):
    """Either `nodes` x `gpus_per_node` (a gang, all or nothing) or `gpus` in total on as few nodes as possible."""

    nodes: GpuCount | None = None
    gpus_per_node: GpuCount | None = None
    gpus: GpuCount | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        gang = self.nodes is not None or self.gpus_per_node is not None
        if gang and self.gpus is not None:
            raise ValueError('give either {"nodes": 2, "gpus_per_node": 8} or {"gpus": 16}, not both')
        if gang and (self.nodes is None or self.gpus_per_node is None):
            raise ValueError('a gang needs both numbers, for example {"nodes": 2, "gpus_per_node": 8}')
        if not gang and self.gpus is None:
            raise ValueError('say how many GPUs, for example {"gpus": 4} or {"nodes": 2, "gpus_per_node": 8}')
        return self

    @property
    def total(self) -> int:
        """How many GPUs the whole shape takes."""
        return self.gpus if self.gpus is not None else (self.nodes or 0) * (self.gpus_per_node or 0)

    @property
    def size(self) -> int:
        """What can be more or less of it: nodes of a gang, GPUs of a total."""
        return self.gpus if self.gpus is not None else self.nodes or 0

    def __str__(self) -> str:
        return f"{self.gpus}" if self.gpus is not None else f"{self.nodes}x{self.gpus_per_node}"


class Page(Wire, Generic[T]):
    """One page of a list; ask again with `cursor=next_cursor` for the next, until it is null."""

    items: list[T]
    next_cursor: str | None = None
