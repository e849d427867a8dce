"""Another end or size for a lease, and renewal: what is sent and what is answered."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from dure.wire.leases import Lease, NodeShare
from dure.wire.values import HORIZON_S, GpuCount, Instant, Wire

By = Annotated[int, Field(ge=1, le=HORIZON_S, strict=True)]


class Extend(Wire):
    """More time for a lease: one of `by_s`, `until` and `longest`.

    With `partly` it is extended as far as possible where the whole is not; without, it is refused with how far that is.
    """

    by_s: By | None = None
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
    """Less of a lease: an earlier end, or fewer nodes of a gang, or fewer GPUs of a total. One of them.

    What a running lease gives back is taken from it at once.
    """

    until: Instant | None = None
    by_s: By | None = None
    nodes: GpuCount | None = None
    gpus: GpuCount | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [self.until, self.by_s, self.nodes, self.gpus].count(None) != 3:
            raise ValueError(
                'give one of them, for example {"by_s": 3600}, {"until": "2026-11-24T18:00:00Z"} or {"gpus": 2}'
            )
        return self


class Resize(Wire):
    """Another size: `nodes` for a gang, `gpus` for a total. More is for inference leases alone."""

    nodes: GpuCount | None = None
    gpus: GpuCount | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.nodes is None) == (self.gpus is None):
            raise ValueError('give one of them, for example {"gpus": 6}, or {"nodes": 3} for a gang')
        return self


class Renewal(Wire):
    """Whether an inference lease is extended by the length that it was asked for, again and again, before extending closes."""

    renew: Annotated[bool, Field(strict=True)]


class Amended(Wire):
    """A lease that was extended, shrunk or resized; with `dry_run` what it would be."""

    lease: Lease
    by_s: int
    """By how many seconds its end moved; negative for an earlier one."""
    commit_gpu_seconds: int
    """What it takes more of the company's account; negative for what is refunded."""
    made_way: list[str]
    """Scheduled leases that were placed on other nodes at their own start; other companies' are counted in `others`."""
    others: int
    in_the_way: str | None = None
    """What kept it from being extended as far as was asked."""
    added: list[NodeShare] = []
    given_back: list[NodeShare] = []
    """The GPUs by which a resize changed it."""
