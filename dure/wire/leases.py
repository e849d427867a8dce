"""Asks and leases: what a startup sends and what it gets back."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from dure.wire.values import (
    HORIZON_S,
    MAX_GPUS,
    CompanyName,
    EndCause,
    GpuCount,
    GpuUuid,
    Instant,
    Label,
    LeaseState,
    LostCause,
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
    """`spot` is on GPUs that are idle, beyond quota and budget, and is preempted when a reserved ask, or the share of others,
    needs them.
    """
    or_spot: bool = False
    """Where it would wait for, or be refused for, its company's quota, budget or share, it takes spot at once if GPUs are idle."""
    purpose: Purpose = "training"
    notice_s: Annotated[int, Field(ge=0, le=7 * 86_400, strict=True)] | None = None
    """What is scheduled may be moved earlier, to a start that is at least this far away; 0 for what waits ready. Spot is told
    of its preemption so long ahead, at most 1800. Without it 900, and 120 for spot."""
    renew: bool = False
    """For inference: extended by its own length again and again, while quota and calendar allow."""
    min: GpuCount | None = None
    """For inference: the fewest nodes of a gang, or GPUs of a total, that it takes. It is promised the earliest start that
    so many have, with as many of `shape` as fit there, and is never shrunk below."""
    max: GpuCount | None = None
    """For inference: the most that it is ever resized to, in the same unit; without it the quota and the calendar alone say."""
    queue: bool = True
    """What cannot be promised now waits in the queue; false asks for a refusal instead."""
    all_at_once: bool = False
    """Its pods in the cluster start only once so many wait that all of its GPUs are asked for: for gangs."""
    extendable: bool = True
    """False for what is never extended: its pods then have their deadline from their start on, whatever becomes of Dure."""
    name: Label | None = None
    """The startup's own word for it, shown in lists."""
    company: CompanyName | None = None
    """For admins, who ask in a company's name; a company's own token implies it."""

    @model_validator(mode="after")
    def _serves(self) -> Self:
        given = {"renew": self.renew, "min": self.min is not None, "max": self.max is not None}
        named = [name for name, wanted in given.items() if wanted]
        if named and self.purpose != "inference":
            raise ValueError(
                f'{named[0]} is for inference: add "purpose": "inference", or leave it out; any lease can be extended or '
                "shrunk later"
            )
        if self.renew and not self.extendable:
            raise ValueError("what renews itself is extended: leave out renew, or extendable")
        if self.tier == "spot":
            self._is_spot()
        if self.or_spot and self.start is not None:
            raise ValueError("or_spot is for what is wanted as soon as possible: leave out start, or or_spot")
        if not (self.min or 1) <= self.shape.size <= (self.max or MAX_GPUS):
            raise ValueError(
                f"min and max are in nodes for a gang and in GPUs for a total, with the shape's {self.shape.size} between "
                f'them, for example "min": 1, "max": {2 * self.shape.size}'
            )
        return self

    def _is_spot(self) -> None:
        """What spot cannot be."""
        if self.start is not None:
            raise ValueError("spot is not booked ahead: leave out start; it starts once GPUs are idle")
        if self.renew or self.max is not None or self.or_spot:
            raise ValueError(
                "spot is given no other end or size, and nothing instead: leave out renew, max and or_spot"
            )
        if (self.notice_s or 0) > SPOT_NOTICE_S:
            raise ValueError(
                f"the notice of spot is at most {SPOT_NOTICE_S} s, as a reserved ask may have to wait for it"
            )

    @property
    def notice(self) -> int:
        """Seconds; what is meant where nothing is said."""
        if self.notice_s is not None:
            return self.notice_s
        return 120 if self.tier == "spot" else 900


SPOT_NOTICE_S = 1800
"""The longest notice of a preemption."""


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
    """Why an ask was granted, queued or refused, or a change of a lease refused: a permanent code, the numbers, and what would
    work.
    """

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
    """Of the rules by which this was decided."""
    policy_number: int | None = None
    """The version of the programme's policy, which says the rest; null for one from before there were versions."""
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
    given_back_at: Instant | None = None
    """Since when the lease, which goes on with fewer, does not have it any more."""
    proved_empty_at: Instant | None


class LostGpu(Wire):
    """A GPU that was lost to the lease while it ran, over `[since, until)`; null while it is. Refunded, as the whole of a gang."""

    uuid: GpuUuid
    node: NodeName
    since: Instant
    until: Instant | None
    cause: LostCause


class LeaseSize(Wire):
    """The lease had so many GPUs over `[since, until)`, and was charged for those."""

    gpus: int
    since: Instant
    until: Instant


class Slip(Wire):
    """A promise that got later, or was lost, because capacity was."""

    at: Instant
    promised_start_before: Instant
    promised_start: Instant | None
    """Null where it waits in the queue again, without a promise."""
    cause: str
    node: NodeName | None
    """Where capacity was lost, if it is known of one node."""
    reason: str | None
    """That of a drain."""
    why: str
    """The cause as a clause, with all that is known of it."""


class DrainAhead(Wire):
    """A drain of a node that the lease runs on, which it cannot be extended past."""

    node: NodeName
    starts_at: Instant
    ends_at: Instant
    reason: str | None
    latest_end: Instant
    """The latest end that it leaves the lease: the lease's own, where the drain begins before that."""


class Preemption(Wire):
    """A spot lease stops before the end of its box, because others need its GPUs then."""

    told_at: Instant
    """When its company was told, the last time."""
    stops_at: Instant
    refund_gpu_seconds: int
    """What is left of its box then."""
    decision: str | None
    """The decision that needs its GPUs."""


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
    """The latest start; null while queued. It gets later only when capacity is lost, and then `slips` say why."""
    first_promised_start: Instant | None = None
    """The start that was promised first; null while none ever was."""
    slipped_s: int = 0
    """By how much the promise is later than the first; 0 while it has none."""
    slips: list[Slip] = []
    """How it got later, oldest first, but for what was given back since."""
    starts_at: Instant | None
    """Where the plan holds the lease now, never after the promise; it may be moved earlier."""
    estimated_start: Instant | None = None
    """When it is expected to start, which binds nobody; null once it has, and where nothing fits as things are."""
    ends_at: Instant | None
    """The end of the box; changed by an extension or a shrink alone, never by a release."""
    extension_closes: Instant | None = None
    """From then on it is not extended any more; null once it is over."""
    drain_ahead: DrainAhead | None = None
    """The first drain of its own nodes that it cannot be extended past; null while it has not started: it may go elsewhere."""
    all_at_once: bool = False
    """Whether its pods wait for each other."""
    extendable: bool = True
    """Whether it can be extended at all."""
    renew: bool = False
    """Whether it is extended by `renew_s` before extending closes, while quota and calendar allow."""
    renew_s: int | None = None
    """The length that it was asked for, by which it renews itself."""
    min: int | None = None
    max: int | None = None
    """Between what it is resized, in nodes for a gang and in GPUs for a total; null where that was not said: then down to one,
    and up to what quota and calendar leave."""
    sizes: list[LeaseSize] = []
    """The sizes that it had before it was resized while it ran; since the last of them it has `shape`."""
    stops_at: Instant | None
    """When the lease stops: `ends_at`, or earlier once it was released or revoked, and of spot where others need its GPUs."""
    preemption: Preemption | None = None
    """Of spot that is or was preempted."""
    started_at: Instant | None
    ended_at: Instant | None
    end_cause: EndCause | None
    late_start_s: Seconds | None
    """Whole seconds the start came after `promised_start`; null until it started."""
    late_cause: str | None
    placement: list[NodeShare]
    gpus: list[HeldGpu]
    degraded: bool = False
    """Whether it is without some of its GPUs now."""
    lost: list[LostGpu] = []
    """Its GPUs that were lost while it ran. A silent node's are presumed so until it is heard again."""
    decision: Decision


class Quote(Wire):
    """The answer to an ask with `dry_run`: what would be decided now. Nothing is stored or held."""

    decision: Decision
    shape: Shape | None = None
    """What would be granted, where the ask takes less than its shape."""
    promised_start: Instant | None
    starts_at: Instant | None
    estimated_start: Instant | None = None
    ends_at: Instant | None
    stops_at: Instant | None = None
    """Of spot: until when its GPUs are idle, as things are."""
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
