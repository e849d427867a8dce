"""The frozen values that decisions are made of. Instants are whole Unix seconds, amounts are integers.

Nothing here, nor anywhere in `scheduler.core`, reads a clock, a database, the network, the environment or chance.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

Instant = NewType("Instant", int)
"""Whole seconds since 1970-01-01T00:00:00Z."""

NodeId = NewType("NodeId", str)
LeaseId = NewType("LeaseId", str)
CompanyId = NewType("CompanyId", str)
PoolId = NewType("PoolId", str)
GpuId = NewType("GpuId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """`nodes` x `gpus_per_node`, all or nothing."""

    nodes: int
    gpus_per_node: int

    @property
    def gpus(self) -> int:
        return self.nodes * self.gpus_per_node

    def __str__(self) -> str:
        return f"{self.nodes} nodes x {self.gpus_per_node} GPUs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """`gpus` on any nodes, as few as possible."""

    gpus: int

    def __str__(self) -> str:
        return f"{self.gpus} GPUs"


Shape = Gang | Total

Placement = tuple[tuple[NodeId, int], ...]
"""How many GPUs on which node, sorted by node."""


class State(StrEnum):
    ASKED = "asked"
    REFUSED = "refused"
    QUEUED = "queued"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    ENDING = "ending"
    ENDED = "ended"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Cause(StrEnum):
    """Why a lease changed its state. Ends of a lease keep the first cause."""

    ASKED = "asked"
    CAPACITY = "capacity"
    """Something ended, was cancelled or came back, so a queued ask fits."""
    QUOTA = "quota"
    """The same, where it was its company's quota that a queued ask waited for."""
    SHARE = "share"
    """It was its company's turn, where a queued ask waited for its share."""
    WALK_IN = "walk_in"
    """Its start is near by now, where a queued ask waited for what the walk-in reserve leaves."""
    STARTED = "started"
    EXPIRED = "expired"
    RELEASED = "released"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    IDLE = "idle"
    NO_SHOW = "no_show"
    REVOKED = "revoked"
    NODE_LOST = "node_lost"
    CAPACITY_LOST = "capacity_lost"
    """A GPU or node that the lease was placed on is gone, sick or not proved empty."""
    DRAIN = "drain"
    """A node was taken out of service for a while."""
    NODE_UNKNOWN = "node_unknown"
    """A node's agent is silent."""
    GPU_NOT_EMPTY = "gpu_not_empty"
    """A GPU was not proved empty in time after the lease before."""
    GPU_UNHEALTHY = "gpu_unhealthy"
    LEASE_BEFORE_NOT_ENDED = "lease_before_not_ended"
    EARLIER = "earlier"
    """Room appeared, so it starts earlier than it was pencilled in."""
    MADE_WAY = "made_way"
    """Placed on other nodes at the same start, so that another lease could be extended."""
    EXTENDED = "extended"
    SHRUNK = "shrunk"
    RESIZED = "resized"
    RENEWED = "renewed"
    REPLACED = "replaced"
    """It lost GPUs while it ran, and has spares for them."""


class Purpose(StrEnum):
    """What the GPUs are for, which changes what a good placement is."""

    TRAINING = "training"
    """Packed: the fewest topology domains, whole nodes."""
    INFERENCE = "inference"
    """Spread over nodes and domains, so that one that is lost takes little."""


class Tier(StrEnum):
    """What a lease is worth against others."""

    RESERVED = "reserved"
    """Inside its company's quota, and never preempted inside its box."""
    SPOT = "spot"
    """On GPUs that are idle, beyond quota and budget; preempted, with its notice, when a reserved ask needs them."""


NOTICE_S = 900
"""How long ahead a company is told of an earlier start, unless its ask says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a startup sends, parsed. `start` None is as soon as possible; `start_by` None with a start is exactly then.

    What is pencilled in may start earlier, if that is at least `notice_s` away; of spot it is how long ahead its company is
    told that it is preempted. With `or_spot` it takes spot at once where it would wait for quota, budget or share. With `min_size` it takes as little as so
    many nodes of a gang, or GPUs of a total: the earliest start that those have, with as many as fit there.
    """

    company: CompanyId
    pool: PoolId
    shape: Shape
    duration_s: int
    start: Instant | None = None
    start_by: Instant | None = None
    queue: bool = True
    notice_s: int = NOTICE_S
    purpose: Purpose = Purpose.TRAINING
    min_size: int | None = None
    tier: Tier = Tier.RESERVED
    or_spot: bool = False
    queued_already: int = 0
    """How many asks of its company wait in the queue, where its quota limits that."""

    @property
    def movable(self) -> bool:
        """Whether it may start at another time than the one it was pencilled in for: not one asked for a time."""
        return self.start is None or self.start_by is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A lease had so many GPUs over `[starts_at, ends_at)`, before it was made another size."""

    gpus: int
    starts_at: Instant
    ends_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease as far as deciding and its state go. `[starts_at, stops_at)` is charged; the gap after it is not.

    `starts_at` is where the plan holds it now, never after `promised_start`. Spot may be cut: then `stops_at` is before
    `ends_at`, the end of the box that was asked for. `start`, `start_by`, `notice_s`, `purpose`
    and `min_size` are the ask's. `shape` and `placement` are its present size; `history` has those before, each from where
    the one before it ended, the first from `starts_at` on.
    """

    id: LeaseId
    company: CompanyId
    pool: PoolId
    shape: Shape
    duration_s: int
    state: State
    asked_at: Instant = Instant(0)
    start: Instant | None = None
    start_by: Instant | None = None
    notice_s: int = NOTICE_S
    purpose: Purpose = Purpose.TRAINING
    min_size: int | None = None
    tier: Tier = Tier.RESERVED
    promised_start: Instant | None = None
    granted_at: Instant | None = None
    """When its start was decided, if it came out of the queue where that counts; else that was when it was asked for."""
    slipped_from: Instant | None = None
    """What it was promised before capacity was lost, while it is promised something later."""
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    stops_at: Instant | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    end_cause: Cause | None = None
    placement: Placement = ()
    history: tuple[Span, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether it has a slot that may still be moved earlier than it was promised."""
        return self.state is State.SCHEDULED and self.movable and not self.is_spot

    @property
    def is_spot(self) -> bool:
        return self.tier is Tier.SPOT

    @property
    def owed(self) -> Instant | None:
        """The start that it was promised before capacity was lost; its promise, where that is still kept."""
        if self.promised_start is None or not self.movable:
            return None if self.promised_start is None else self.start
        return self.promised_start if self.slipped_from is None else self.slipped_from

    @property
    def movable(self) -> bool:
        """Whether its ask was: one asked for a time is not."""
        return self.start is None or self.start_by is not None

    @property
    def gpus(self) -> int:
        return self.shape.gpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node's GPUs in one pool: `capacity` can be granted; `open` is false while its agent is silent.

    `rack` and `island` are its topology domains, from its labels; nodes without them are one domain.
    """

    id: NodeId
    capacity: int
    open: bool = True
    nominal: int = 0
    """How many it has, the sick and quarantined ones too: what could be granted on a good day."""
    lost_at: Instant | None = None
    """Since when it has less than it could or is silent; None while nothing is missing."""
    rack: str = ""
    island: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """A node out of service over `[starts_at, ends_at)`."""

    id: str
    node: NodeId
    starts_at: Instant
    ends_at: Instant


PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules a decision was made by. `version` is that of the rules, `number` the version of the programme's policy that
    says the rest; both are stamped on every decision.

    `rule` is a name in `scheduler.core.rules`. `slack_ppm` is the part of its box, in millionths, by which an ask may
    be promised later than its earliest start. Boxes over `reserve_over_s` together never take more than the pool less
    `reserve_ppm` of it; those booked more than `walk_in_within_s` ahead never more than the pool less `walk_in_ppm` of it.
    With `seniority_s`, what waits longer than that goes first. A promise slips for lost capacity
    only once that was lost for `loss_grace_s`: most of it comes back. An active lease is extended until
    `extension_closes_s` before its end. `contended` is a name in `scheduler.core.contention`: what an instant is at which
    shares count, for one of its rules where more than `contended_ppm` of the pool is booked. What was used is worth half
    after each `half_life_s`, and of a lease up to `entry_s` are counted as it is granted. Spot is given GPUs
    that are idle for `spot_least_s` or for all of its box; without that there is no spot.
    """

    version: str
    horizon_s: int
    gap_s: int
    rule: str = "late-slots"
    slack_ppm: int = 50_000
    reserve_ppm: int = 0
    reserve_over_s: int = 0
    walk_in_ppm: int = 0
    walk_in_within_s: int = 3600
    seniority_s: int | None = None
    loss_grace_s: int = 300
    extension_closes_s: int = 600
    contended: str = "none"
    contended_ppm: int = 900_000
    half_life_s: int = 604_800
    entry_s: int = 3600
    spot_least_s: int | None = 600
    number: int = 0


class Code(StrEnum):
    """Permanent reason codes of decisions; those of refusals are problem codes too."""

    STARTS_NOW = "starts_now"
    STARTS_LATER = "starts_later"
    STARTS_AS_ASKED = "starts_as_asked"
    STARTS_ON_SPOT = "starts_on_spot"
    WAITS_FOR_CAPACITY = "waits_for_capacity"
    WAITS_FOR_QUOTA = "waits_for_quota"
    WAITS_FOR_BUDGET = "waits_for_budget"
    WAITS_FOR_AHEAD = "waits_for_ahead"
    """Its company has booked as much ahead as it may."""
    WAITS_FOR_SHARE = "waits_for_share"
    """It would lift its company above its share of the pool where that is contended."""
    WAITS_FOR_WALK_IN = "waits_for_walk_in"
    """It would take of what is kept for starts within the hour, or what the pool's policy says instead."""
    WAITS_FOR_IDLE = "waits_for_idle_gpus"
    """Spot: no GPUs are idle for long enough."""
    NEVER_FITS = "never_fits"
    QUOTA_EXCEEDED = "quota_exceeded"
    TOO_LONG = "too_long"
    TOO_FAR_AHEAD = "too_far_ahead"
    BUDGET_EXCEEDED = "budget_exceeded"
    TOO_MANY_OPEN = "too_many_open"
    NO_START_IN_WINDOW = "no_start_in_window"
    WALK_IN_RESERVED = "walk_in_reserved"
    NO_IDLE_GPUS = "no_idle_gpus"
    SPOT_NOT_OFFERED = "spot_not_offered"


Numbers = Mapping[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The ask is granted: it starts by `promised`, and is pencilled in over `[start, end)` on `placement`.

    Spot is on it until `stop`, as things are. `estimate` is when it is expected to start, which binds nobody. `shape` is what is granted, where that is less than asked.
    """

    code: Code
    promised: Instant
    start: Instant
    end: Instant
    placement: Placement
    estimate: Instant
    shape: Shape | None = None
    stop: Instant | None = None
    numbers: Numbers = field(default_factory=dict[str, int | str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The ask waits: no start can be promised yet."""

    code: Code
    first_fit: Instant | None = None
    """The first start at which it would fit if nobody waited before it; None if there is none as things are."""
    numbers: Numbers = field(default_factory=dict[str, int | str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The ask is refused; the numbers say what the limit is and what would work."""

    code: Code
    numbers: Numbers = field(default_factory=dict[str, int | str])


Verdict = Promise | Queued | Refusal
