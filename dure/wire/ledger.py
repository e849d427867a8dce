"""The ledger: every GPU-second that was granted, promised, had and given back, as double entry."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dure.wire.values import MAX_GPU_SECONDS, CompanyName, Instant, PoolName, Wire

LedgerKind = Literal["grant", "commit", "settle", "refund", "adjust", "expire"]
LedgerBalance = Literal["source", "available", "committed", "spent", "expired"]


def _something(value: int) -> int:
    if value == 0:
        raise ValueError("an adjustment gives (above 0) or takes (below 0), for example 36000 for 10 GPU-hours")
    return value


class LedgerPeriod(Wire):
    """`[begins_at, ends_at)` of a budget."""

    begins_at: Instant
    ends_at: Instant


class LedgerBalances(Wire):
    """GPU-seconds; granted = available + committed + spent + expired, always."""

    granted_gpu_seconds: int
    available_gpu_seconds: int
    """Free to be committed. Without a budget nothing is taken from it: what is committed comes from the source."""
    committed_gpu_seconds: int
    """Of promises and of leases that are not over."""
    spent_gpu_seconds: int
    expired_gpu_seconds: int


class LedgerEntry(Wire):
    """`gpu_seconds` taken from `debit` and given to `credit`."""

    company: CompanyName
    pool: PoolName
    period: LedgerPeriod | None
    """Of the budget that it counts against; null where there is none."""
    number: int
    """1, 2, 3 and so on, in each account: a company's in a pool and a period."""
    at: Instant
    kind: LedgerKind
    debit: LedgerBalance
    credit: LedgerBalance
    gpu_seconds: int
    lease: str | None
    cause: str
    actor: str | None
    """Who granted or adjusted; of a person a company sees the role alone. Who did what to a lease is told with its events."""
    reason: str | None
    after: LedgerBalances


class LedgerAdjust(Wire):
    """GPU-seconds given to a company's account in a pool, or taken from what it has available there."""

    company: CompanyName
    pool: PoolName
    gpu_seconds: Annotated[int, Field(ge=-MAX_GPU_SECONDS, le=MAX_GPU_SECONDS, strict=True), AfterValidator(_something)]


class LedgerFault(Wire):
    """Something in the ledger that does not add up: an entry by its number, a lease, or an account's own sums."""

    company: CompanyName
    pool: PoolName
    period: LedgerPeriod | None
    number: int | None
    lease: str | None
    detail: str


class LedgerCheck(Wire):
    """The ledger added up again from its entries, and compared with the accounts and the leases."""

    accounts: int
    entries: int
    leases: int
    """With anything committed, settled or refunded."""
    sums: LedgerBalances
    """From the entries, over all these accounts."""
    faults: list[LedgerFault]
    """The first one of each account, and leases, at most 100; none where everything adds up."""
