"""Shares of pools: what companies are entitled to where not everybody can have what they want, and how they stand."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dure.wire.values import CompanyName, Instant, PoolName, Wire

Contended = Literal["none", "booked", "always"]
"""A named rule of when a pool is contended, so that shares count."""

MAX_SHARES = 1_000_000

NO_GROUP = "none"
"""What reports call the companies that are in no group; no group has this name."""


def _not_none(name: str) -> str:
    if name == NO_GROUP:
        raise ValueError("none is the word for companies in no group; call it for example seed")
    return name


GroupName = Annotated[CompanyName, AfterValidator(_not_none)]
"""Written like a company's."""

Shares = Annotated[int, Field(ge=1, le=MAX_SHARES, strict=True)]


class ShareSet(Wire):
    """A company's weight in a pool, beside the groups or in one of them."""

    shares: Shares
    group: GroupName | None = None


class Share(Wire):
    company: CompanyName
    pool: PoolName
    shares: int
    group: GroupName | None


class ShareGroupSet(Wire):
    """The weight that the companies of a group have together."""

    shares: Shares


class ShareGroup(Wire):
    pool: PoolName
    name: GroupName
    shares: int


class FairCompany(Wire):
    """How a company stands in a pool. GPU-seconds are halved with every half-life that has passed."""

    company: CompanyName
    group: GroupName | None
    shares: int
    """Its weight in its group, or beside the groups; 1 where nobody said one."""
    part_ppm: int
    """Its part of the pool, in millionths."""
    share_gpus: int
    """As many GPUs of a good day's pool: within these it is promised a start however contended the pool is."""
    held_gpus: int
    """By its active leases now."""
    queued: int
    """Asks of it that wait in the queue."""
    used_gpu_seconds: int
    entitled_gpu_seconds: int
    """Weighted max-min of the pool among those that wanted GPUs."""
    beyond_gpu_seconds: int
    """Used or granted just now beyond what it was entitled to; below zero where it is owed some."""
    rank: int
    """Its place in the order in which the queue is served, from 1."""
    why: str


class FairPool(Wire):
    """A pool's shares: the companies in the order in which its queue is served. A company sees itself alone."""

    pool: PoolName
    contended: Contended
    contended_ppm: int
    half_life_s: int
    entry_s: int
    counted_at: Instant | None
    """Up to when use was counted; null where it never was."""
    contended_now: bool
    companies: list[FairCompany]
