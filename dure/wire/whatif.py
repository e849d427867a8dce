"""What would be different: with another quota, fleet or policy, now or in a stretch of the past."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from dure.wire.pools import PolicyChange
from dure.wire.values import CompanyName, GpuCount, Instant, LeaseState, NodeName, PoolName, Wire


class QuotaIf(Wire):
    """A company's quota as it might be."""

    company: CompanyName
    gpus: Annotated[int, Field(ge=0, le=100_000, strict=True)]


class NodesIf(Wire):
    """So many nodes more, each with so many GPUs."""

    count: Annotated[int, Field(ge=1, le=1000, strict=True)]
    gpus: GpuCount


NOT_OF_PLANS = frozenset(
    {
        "grace_s",
        "renews_before_s",
        "empty_memory_bytes",
        "no_show_after_s",
        "keeps",
        "idle_after_s",
        "idle_below_ppm",
        "inference_idle_after_s",
        "inference_idle_below_ppm",
        "violations",
    }
)
"""What a pool's policy says of when leases are renewed, end, or are given back."""


class PolicyIf(PolicyChange):
    """The parts of the pool's policy that might be different, as in a change of it."""

    @model_validator(mode="after")
    def _of_plans(self) -> Self:
        for name in sorted(self.model_fields_set & NOT_OF_PLANS):
            raise ValueError(f"no plan depends on {name}: leave it out")
        return self


class WhatIf(Wire):
    """The changes, and for which time: without `since` for now, else for `[since, until)` of the past."""

    pool: PoolName
    quotas: Annotated[list[QuotaIf], Field(max_length=100)] = []
    add_nodes: Annotated[list[NodesIf], Field(max_length=10)] = []
    remove_nodes: Annotated[list[NodeName], Field(max_length=1000)] = []
    policy: PolicyIf | None = None
    since: Instant | None = None
    until: Instant | None = None

    @model_validator(mode="after")
    def _times(self) -> Self:
        if self.until is not None and self.since is None:
            raise ValueError("until needs since too")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise ValueError("until comes after since")
        return self

    @model_validator(mode="after")
    def _something(self) -> Self:
        said = self.quotas or self.add_nodes or self.remove_nodes or self.policy
        if not said and self.since is None:
            raise ValueError("say what would be different: quotas, add_nodes, remove_nodes or policy")
        return self


class Outlook(Wire):
    """How a lease stands."""

    state: LeaseState
    promised_start: Instant | None
    """Of the past: what it was promised before capacity was lost."""
    estimated_start: Instant | None
    """When it starts, as far as is known: when it did, where its slot is, or an estimate."""


class Difference(Wire):
    """One lease that would stand differently."""

    lease: str
    company: CompanyName
    gpus: int
    change: str
    """`earlier` or `later`, by its promise or, where that is the same, by its start; `granted` or `lost`: a promise."""
    by_s: int | None
    before: Outlook
    after: Outlook


class WhatIfAnswer(Wire):
    """What would be different. Nothing was changed."""

    pool: PoolName
    since: Instant | None
    until: Instant
    """For now: now. For the past: how far it was lived again, which may be less than was asked for."""
    complete: bool
    generation: int
    """The state of the pool that it begins with."""
    summary: str
    totals: dict[str, int]
    differences: list[Difference]
    more: int
    """How many more there are."""
    struck: list[str]
    """Leases that run, or of the past ran, on a node which would be gone; they are taken to go on there."""
    decisions: int
    """Of the past: how many decisions were made again with nothing changed."""
    unlike: list[str]
    """Those of them that came out differently than they really did; where there are any, the comparison is with them."""
