"""Offers: windows that would satisfy an ask, to choose one from."""

from typing import Annotated, Literal

from pydantic import Field

from dure.wire.values import HORIZON_S, CompanyName, Instant, Label, NodeName, PoolName, Purpose, Shape, Wire

OfferReason = Literal["soonest", "cheapest", "best_placement", "later", "shorter", "smaller"]


class OfferSearch(Wire):
    """What is looked for, in one pool or several. Without `start` from now on, without `start_by` up to the horizon."""

    pools: Annotated[list[PoolName], Field(min_length=1, max_length=8)]
    shape: Shape
    duration_s: Annotated[int, Field(ge=1, le=HORIZON_S, strict=True)]
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
    """Why it is offered: the soonest, the one that leaves most of the quota free, the best placed, a later one; or,
    where the whole fits nowhere in the window, a shorter or a smaller one."""
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
    islands: int
    racks: int
    placement: list[OfferShare]
    expires_at: Instant
    lease: str | None = None
    """The lease that it became, once it was claimed."""


class Offers(Wire):
    """The offers of a search, the first to start first; none where nothing fits."""

    items: list[Offer]


class OfferClaim(Wire):
    """What the lease is called, if it is to have a name."""

    name: Label | None = None
