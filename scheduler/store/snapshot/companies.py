"""What companies hold, wait for, used and may still use, by pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from scheduler.core.shares import Uses
from scheduler.store import metric_totals, uses
from scheduler.store.snapshot.open_leases import OPEN
from scheduler.store.tables import Account, Quota

Pair = tuple[str, str]
"""Company and pool."""

_GPUS = text(
    f"""
    WITH {OPEN}
    SELECT company, pool,
        coalesce(sum(total_gpus) FILTER (WHERE state IN ('active', 'ending')), 0)::bigint AS held,
        coalesce(sum(total_gpus) FILTER (WHERE state = 'scheduled'), 0)::bigint AS booked,
        coalesce(sum(total_gpus) FILTER (WHERE state = 'queued'), 0)::bigint AS queued
    FROM open_lease GROUP BY company, pool
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A period's GPU-seconds: what there is, with what was carried over and adjusted; had; in leases that are not over."""

    gpu_seconds: int
    spent: int
    committed: int
    ends_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Companies:
    """`gpus` by (company, pool, held or booked or queued), `used` by (company, pool, kind). `used_ratio` and `entitled_ratio` are each one's
    part of what all used and were entitled to, as fairness counts it, where the pool is shared by it.
    """

    gpus: dict[tuple[str, str, str], int]
    quotas: dict[Pair, int]
    committed: dict[Pair, int]
    budgets: dict[Pair, Budget]
    """Of the period that it is now, where there is one."""
    used: dict[tuple[str, str, str], int]
    joules: dict[Pair, int]
    """Where any were told of."""
    used_ratio: dict[Pair, float]
    entitled_ratio: dict[Pair, float]


def read(session: Session, pools: Sequence[str], *, now: float) -> Companies:
    """As of the session's snapshot."""
    quotas = {(row.company, row.pool): row.gpus for row in session.exec(select(Quota))}
    told = metric_totals.told(session)
    counted = {pool: uses.newest(session, pool) for pool in pools}
    return Companies(
        gpus=_gpus(session, quotas),
        quotas=quotas,
        committed=dict.fromkeys(quotas, 0) | _committed(session),
        budgets=_budgets(session, pools, now),
        used=told.gpu_seconds,
        joules=told.joules,
        used_ratio=_parts(counted, "used"),
        entitled_ratio=_parts(counted, "entitled"),
    )


def _gpus(session: Session, quotas: Mapping[Pair, int]) -> dict[tuple[str, str, str], int]:
    states = ("held", "booked", "queued")
    found = {(company, pool, state): 0 for company, pool in quotas for state in states}
    for row in session.connection().execute(_GPUS).mappings():
        found |= {(row["company"], row["pool"], state): row[state] for state in states}
    return found


def _parts(counted: Mapping[str, Uses], field: str) -> dict[Pair, float]:
    found: dict[Pair, float] = {}
    for pool, one in counted.items():
        amounts = {use.company: getattr(use, field) for use in one.of}
        whole = sum(amounts.values())
        if whole:
            found |= {(company, pool): amount / whole for company, amount in amounts.items()}
    return found


def _committed(session: Session) -> dict[Pair, int]:
    """Over all periods, of those who have any."""
    query = (
        select(Account.company, Account.pool, func.sum(col(Account.committed)))
        .where(col(Account.committed) > 0)
        .group_by(col(Account.company), col(Account.pool))
    )
    return {(company, pool): int(committed) for company, pool, committed in session.exec(query)}


def _budgets(session: Session, pools: Sequence[str], now: float) -> dict[Pair, Budget]:
    present = (col(Account.period) <= int(now), col(Account.period_ends) > int(now))
    query = select(Account).where(col(Account.pool).in_(pools), ~col(Account.void), *present)
    return {
        (row.company, row.pool): Budget(
            gpu_seconds=row.target or 0, spent=row.spent, committed=row.committed, ends_at=float(row.period_ends or 0)
        )
        for row in session.exec(query)
    }
