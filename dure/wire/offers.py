"""Offers: windows that would satisfy an ask, to choose one from."""

from typing import Annotated, Literal

from pydantic import Field

from dure.wire.values import (
    HORIZON_S,
    CompanyName,
    GpuCount,
    Instant,
    Label,
    NodeName,
    PoolName,
    Purpose,
    Shape,
    Wire,
)

OfferReason = Literal["soonest", "cheapest", "best_placement", "later", "shorter", "smaller", "longer"]
PlacementClass = Literal["one_node", "one_island", "one_rack", "several_racks", "unlabelled"]
Length = Annotated[int, Field(ge=1, le=HORIZON_S, strict=True)]


class OfferSearch(Wire):
    """What is looked for, in one pool or several. Without `start` from now on, without `start_by` up to the horizon.

    What is shorter, smaller or longer than asked is offered beside the whole where `shortest_s`, `fewest` and
    `longest_s` allow it. Where the whole fits nowhere, what is at least half of it is offered even without them.
    """

    pools: Annotated[list[PoolName], Field(min_length=1, max_length=8)]
    shape: Shape
    duration_s: Length
    shortest_s: Length | None = None
    """At most `duration_s`: so short a lease would do, if it is sooner."""
    longest_s: Length | None = None
    """At least `duration_s`: so long a lease would be welcome."""
    fewest: GpuCount | None = None
    """Nodes of a gang, or GPUs in total: so few would do, if it is sooner."""
    start: Instant | None = None
    start_by: Instant | None = None
    purpose: Purpose = "training"
    company: CompanyName | None = None
    """For admins, who search in a company's name; a company's own token implies it."""


class OfferShare(Wire):
    """How many GPUs of a node an offer would take."""

    node: NodeName
    gpus: int


class Offer(Wire):
    """A window that would be promised now, exactly as it stands. It holds nothing until it is claimed."""

    id: str
    company: CompanyName
    pool: PoolName
    reasons: list[OfferReason]
    """Why it is offered, among those of its pool: the soonest; the cheapest in quota, which is the one that leaves most
    of the company's quota free while it lasts (the soonest of equals); the best placed; a later one; or one that is
    shorter, smaller or longer than asked. Best placed for training is on the fewest islands, racks and nodes, for
    inference spread over the most, and then what strands least."""
    shape: Shape
    duration_s: int
    starts_at: Instant
    ends_at: Instant
    promised_start: Instant
    """What a claim is promised: exactly `starts_at`."""
    gpu_seconds: int
    """What it takes of the company's account."""
    quota_left_gpus: int
    """What the company's quota leaves beside it at the tightest."""
    placement_class: PlacementClass
    """How near its nodes stand: on one node, on one NVLink island, in one rack, in several; `unlabelled` where nobody
    has said where one of several nodes stands."""
    islands: int
    racks: int
    free_beside_gpus: int
    """GPUs of its own nodes that are nobody's while it lasts; 0 fills them."""
    placement: list[OfferShare]
    expires_at: Instant
    lease: str | None = None
    """The lease that it became, once it was claimed."""


class Unmet(Wire):
    """A pool in which the whole of what was looked for is not offered, and why: a refusal's code and numbers."""

    pool: PoolName
    code: str
    detail: str
    """One sentence for a person, with the numbers and what to do next."""
    numbers: dict[str, int | str]


class Offers(Wire):
    """The offers of a search, the first to start first, and the pools that cannot give all of it."""

    items: list[Offer]
    unmet: list[Unmet] = []


class OfferClaim(Wire):
    """What the lease is called, if it is to have a name, and for inference what else an ask says of one."""

    name: Label | None = None
    renew: bool = False
    """Extended by its own length again and again, while quota and calendar allow."""
    min: GpuCount | None = None
    """The fewest nodes of a gang, or GPUs of a total, that it takes where not all that was offered is left, and that it is
    ever shrunk to."""
    max: GpuCount | None = None
    """The most that it is ever resized to, in the same unit; without it the quota and the calendar alone say."""
