"""Asks and leases: what a startup sends and what it gets back."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from dure.wire.values import (
    HORIZON_S,
    CompanyName,
    EndCause,
    GpuCount,
    GpuUuid,
    Instant,
    Label,
    LeaseState,
    NodeName,
    Outcome,
    PoolName,
    Purpose,
    Seconds,
    Shape,
    Tier,
    Wire,
)


class Ask(Wire):
    """A request for GPUs for a time.

    Without `start` it means as soon as possible. With `start` alone the lease starts at exactly that time; with
    `start_by` too, anywhere in `[start, start_by]`; `start_by` alone is as soon as possible but not later.
    """

    pool: PoolName
    shape: Shape
    duration_s: Annotated[int, Field(ge=1, le=HORIZON_S, strict=True)]
    start: Instant | None = None
    start_by: Instant | None = None
    tier: Tier = "reserved"
    purpose: Purpose = "training"
    notice_s: Annotated[int, Field(ge=0, le=7 * 86_400, strict=True)] = 900
    """What is scheduled may be moved earlier, to a start that is at least this far away; 0 for what waits ready."""
    renew: bool = False
    """For inference: extended by its own length again and again, while quota and calendar allow."""
    queue: bool = True
    """What cannot be promised now waits in the queue; false asks for a refusal instead."""
    name: Label | None = None
    """The startup's own word for it, shown in lists."""
    company: CompanyName | None = None
    """For admins, who ask in a company's name; a company's own token implies it."""

    @model_validator(mode="after")
    def _renews(self) -> Self:
        if self.renew and self.purpose != "inference":
            raise ValueError(
                'only inference leases renew themselves: add "purpose": "inference", or extend it when you need more'
            )
        return self


class PoolOption(Wire):
    """What a refused ask would have got in another pool, by that pool's book as of `generation`."""

    pool: PoolName
    code: str
    """Why: a code of a promise or of a refusal."""
    promised_start: Instant | None
    """Null where it would be refused there too."""
    generation: int
    digest: str


class Decision(Wire):
    """Why an ask was granted, queued or refused: a permanent code, the numbers, and what would work."""

    id: str | None
    """None for a dry run, which stores nothing."""
    at: Instant
    outcome: Outcome
    code: str
    detail: str
    """One sentence for a person, with the numbers and what to do next."""
    numbers: dict[str, int | str]
    """The same numbers for a program; times are RFC 3339."""
    policy_version: str
    elsewhere: list[PoolOption] = []
    """Of a refusal: what the same ask would have got in the other pools."""


class NodeShare(Wire):
    """How many GPUs of a node a lease's placement takes."""

    node: NodeName
    gpus: int


class HeldGpu(Wire):
    """A GPU that the lease holds or held. `proved_empty_at` is null until its agent has shown it empty afterwards."""

    uuid: GpuUuid
    node: NodeName
    proved_empty_at: Instant | None


class Lease(Wire):
    """The grant of a shape for `[starts_at, ends_at)`, and everything that became of it."""

    id: str
    company: CompanyName
    pool: PoolName
    name: str | None
    shape: Shape
    duration_s: int
    tier: Tier
    purpose: Purpose
    notice_s: int = 900
    state: LeaseState
    asked_at: Instant
    start: Instant | None
    start_by: Instant | None
    promised_start: Instant | None
    """The latest start; null while queued. It gets later only when capacity is lost, and then an event says why."""
    starts_at: Instant | None
    """Where the plan holds the lease now, never after the promise; it may be moved earlier."""
    estimated_start: Instant | None = None
    """When it is expected to start, which binds nobody; null once it has, and where nothing fits as things are."""
    ends_at: Instant | None
    """The end of the box; changed by an extension or a shrink alone, never by a release."""
    extension_closes: Instant | None = None
    """From then on it is not extended any more; null once it is over."""
    renew: bool = False
    """Whether it is extended by its own length before extending closes, while quota and calendar allow."""
    stops_at: Instant | None
    """When the lease stops: `ends_at`, or earlier once it was released or revoked."""
    started_at: Instant | None
    ended_at: Instant | None
    end_cause: EndCause | None
    late_start_s: Seconds | None
    """Whole seconds the start came after `promised_start`; null until it started."""
    late_cause: str | None
    placement: list[NodeShare]
    gpus: list[HeldGpu]
    decision: Decision


class Quote(Wire):
    """The answer to an ask with `dry_run`: what would be decided now. Nothing is stored or held."""

    decision: Decision
    promised_start: Instant | None
    starts_at: Instant | None
    estimated_start: Instant | None = None
    ends_at: Instant | None
    placement: list[NodeShare]


class LeaseEvent(Wire):
    """One thing that happened to a lease, in order of `seq`."""

    seq: int
    lease: str
    at: Instant
    event: str
    state: LeaseState
    cause: str | None
    detail: dict[str, int | str | None]


class EndPreview(Wire):
    """The answer to a release or a cancel with `dry_run`: what it would do."""

    lease: str
    state: LeaseState
    stops_at: Instant | None
    refund_gpu_seconds: int


class Extend(Wire):
    """More time for a lease: one of `by_s`, `until` and `longest`.

    With `partly` it is extended as far as possible where the whole is not; without, it is refused with how far that is.
    """

    by_s: Annotated[int, Field(ge=1, le=HORIZON_S, strict=True)] | None = None
    until: Instant | None = None
    longest: bool = False
    partly: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [self.by_s is not None, self.until is not None, self.longest].count(True) != 1:
            raise ValueError(
                'give one of them, for example {"by_s": 7200}, {"until": "2026-11-24T18:00:00Z"} or {"longest": true}'
            )
        return self


class Shrink(Wire):
    """Less of a lease: an earlier end, or, before it has started, fewer nodes of a gang or GPUs of a total."""

    until: Instant | None = None
    by_s: Annotated[int, Field(ge=1, le=HORIZON_S, strict=True)] | None = None
    size: GpuCount | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [self.by_s is not None, self.until is not None, self.size is not None].count(True) != 1:
            raise ValueError(
                'give one of them, for example {"by_s": 3600}, {"until": "2026-11-24T18:00:00Z"} or {"size": 2}'
            )
        return self


class Renewal(Wire):
    """Whether an inference lease is extended by its own length again and again, before extending closes."""

    renew: Annotated[bool, Field(strict=True)]


class Amended(Wire):
    """A lease that was extended, shrunk or set to renew; with `dry_run` what it would be."""

    lease: Lease
    by_s: int
    """By how many seconds its end moved; negative for an earlier one."""
    commit_gpu_seconds: int
    """What it takes more of the company's account; negative for what is refunded."""
    made_way: list[str]
    """Scheduled leases that were placed on other nodes at their own start; other companies' are counted in `others`."""
    others: int
