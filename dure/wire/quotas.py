"""Quotas: what companies may hold in pools at once and over time, with the budgets of their periods."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from dure.wire.policy import Zone
from dure.wire.problems import FieldError
from dure.wire.values import HORIZON_S, MAX_GPU_SECONDS, MAX_GPUS, CompanyName, Instant, Patch, PoolName, Wire

MAX_QUOTAS = 5_000
"""In one import."""

BudgetPeriod = Literal["week", "month", "term"]


GpuSeconds = Annotated[int, Field(ge=0, le=MAX_GPU_SECONDS, strict=True)]
Gpus = Annotated[int, Field(ge=0, le=MAX_GPUS, strict=True)]
Longest = Annotated[int, Field(ge=1, le=HORIZON_S, strict=True)]
Furthest = Annotated[int, Field(ge=0, le=HORIZON_S, strict=True)]
OpenAsks = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


class Budget(Wire):
    """GPU-seconds for each week (from Monday), each month, or one term from `begins_at` to `ends_at`.

    Weeks and months begin at midnight in `zone`, or else in the programme's. With `carries_over`, what a period leaves is added to the next one.
    """

    gpu_seconds: GpuSeconds
    period: BudgetPeriod
    begins_at: Instant | None = None
    ends_at: Instant | None = None
    carries_over: bool = False
    zone: Zone | None = None

    @model_validator(mode="after")
    def _one_term(self) -> Self:
        if self.period != "term":
            if self.begins_at is not None or self.ends_at is not None:
                raise ValueError(f"a budget by the {self.period} has no begins_at and ends_at; a term has both")
        elif self.begins_at is None or self.ends_at is None:
            raise ValueError("a term has begins_at and ends_at")
        elif self.begins_at >= self.ends_at:
            raise ValueError("a term ends after it begins")
        elif self.carries_over:
            raise ValueError("a term has no period after it that anything is carried over to")
        return self


class QuotaSet(Wire):
    """What a company may hold in a pool. What is null is not limited.

    `gpus` is concurrent and holds at every instant; 0 closes the pool to the company. A lease lasts `longest_s` at most,
    extensions among it, and starts `furthest_s` from when it is asked for at the latest. What has not started yet comes to
    `ahead_gpu_seconds` at most, and to `open_asks` leases with those that are queued.
    """

    gpus: Gpus
    longest_s: Longest | None = None
    furthest_s: Furthest | None = None
    ahead_gpu_seconds: GpuSeconds | None = None
    open_asks: OpenAsks | None = None
    budget: Budget | None = None


class QuotaPatch(Patch):
    """What is left out stays as it is; null takes a limit away."""

    gpus: Gpus | None = None
    longest_s: Longest | None = None
    furthest_s: Furthest | None = None
    ahead_gpu_seconds: GpuSeconds | None = None
    open_asks: OpenAsks | None = None
    budget: Budget | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError('say what is to be changed, for example {"gpus": 16}')
        if "gpus" in self.model_fields_set and self.gpus is None:
            raise ValueError("gpus is a number; 0 closes the pool to the company")
        return self

    def changes(self) -> dict[str, Any]:
        """The fields that were said."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class BudgetStanding(Wire):
    """A period of a budget: `gpu_seconds` is what there is, with what was carried over and adjusted, and `spent` and
    `booked` what leases that are over have had and others are to have. `left` is below zero where that is more.
    """

    begins_at: Instant
    ends_at: Instant
    gpu_seconds: int
    spent_gpu_seconds: int
    booked_gpu_seconds: int
    left_gpu_seconds: int


QuotaLimit = Literal["gpus", "longest_s", "furthest_s", "ahead_gpu_seconds", "open_asks", "budget"]


class Beyond(Wire):
    """A promise that was given and is beyond the quota as it is now. It is kept, unless it is revoked."""

    lease: str
    starts_at: Instant
    ends_at: Instant
    gpus: int
    limit: QuotaLimit


class Quota(QuotaSet):
    """A quota and what stands against it."""

    company: CompanyName
    pool: PoolName
    of_default: bool
    """It is the pool's default, and follows it."""
    held_gpus: int
    """Held by active leases now."""
    booked_gpus: int
    """The most that active and scheduled leases hold together at any instant."""
    booked_ahead_gpu_seconds: int
    """Of scheduled leases."""
    open: int
    """Scheduled and queued leases."""
    periods: list[BudgetStanding]
    """Of the budget, from the present one on to the calendar's end; a term that is over stays the last one."""
    beyond: list[Beyond]
    revoked: list[str] = []
    """Leases that this change took back."""
    warnings: list[FieldError] = []
    """Limits that have no use beside the others, each with why."""


class QuotaOf(QuotaSet):
    """A quota in a list: of a company in a pool or, without a company, the pool's default."""

    company: CompanyName | None = None
    pool: PoolName


class QuotaImport(Wire):
    """Quotas that replace those there are, all or none; who is not in the list keeps what there is."""

    quotas: Annotated[list[QuotaOf], Field(min_length=1, max_length=MAX_QUOTAS)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        seen: dict[tuple[str | None, str], int] = {}
        for place, one in enumerate(self.quotas):
            first = seen.setdefault((one.company, one.pool), place)
            if first != place:
                whose = f"company {one.company}" if one.company else "the default"
                raise ValueError(f"quotas.{place} and quotas.{first} are both of {whose} in pool {one.pool}; leave one")
        return self


class QuotaChange(Wire):
    """One quota of an import that is different now; without `before` there was none."""

    company: CompanyName | None
    pool: PoolName
    before: QuotaSet | None
    after: QuotaSet
    beyond: list[Beyond]
    """For a default, of every company that follows it."""
    warnings: list[FieldError] = []
    """Limits of `after` that have no use beside the others, each with why."""


class QuotaImported(Wire):
    changes: list[QuotaChange]
    same: int
    """How many are as they were."""
    revoked: list[str]
