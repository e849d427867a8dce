"""One look at the whole fleet, its leases and ledger, for metrics."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import Session, col, func, select

from dure.wire import GpuState, LeaseState, Role
from scheduler import days
from scheduler.actor import Actor
from scheduler.store import clusters, gpus, programme, usage, violation_counts
from scheduler.store.tables import Account, Allocation, AllocationLoss, Lease, Node, Pool, Quota
from scheduler.store.times import to_wire
from scheduler.store.violation_counts import Counts

_OBSERVER = Actor(role=Role.ADMIN, token="metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A period's GPU-seconds: what there is, with what was carried over and adjusted; had; in leases that are not over."""

    gpu_seconds: int
    spent: int
    committed: int
    ends_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSnapshot:
    """Counts by (pool, state), quotas and balances by (company, pool), use by (company, pool, kind)."""

    gpus: dict[tuple[str, str], int]
    leases: dict[tuple[str, str], int]
    overdue: dict[str, int]
    degraded: dict[str, int]
    quotas: dict[tuple[str, str], int]
    heard: dict[str, float]
    """When each node last reported; one that never did counts from its enrolment."""
    committed: dict[tuple[str, str], int]
    budgets: dict[tuple[str, str], Budget]
    """Of the period that it is now, where there is one."""
    used: dict[tuple[str, str, str], int]
    joules: dict[tuple[str, str], int]
    """Where any were told of."""
    unserved: list[tuple[str, str]]
    """Pools whose cluster no scheduler is told of, and what they call it."""
    violations: Counts
    """Those that there are."""
    violated: Counts
    """All that there ever were."""


def read(session: Session, *, now: float) -> FleetSnapshot:
    """Every number as of the session's snapshot."""
    names = session.exec(select(Pool.name)).all()
    used, joules = _used(session, now)
    present, ever = violation_counts.counts(session, names)
    return FleetSnapshot(
        gpus=_gpus(session, names),
        leases=_leases(session, names),
        overdue=_overdue(session, names, now),
        degraded=_degraded(session, names),
        quotas={(row.company, row.pool): row.gpus for row in session.exec(select(Quota))},
        heard={node.name: node.last_report_at or float(node.enrolled_at) for node in session.exec(select(Node))},
        committed=_committed(session),
        budgets=_budgets(session, now),
        used=used,
        joules=joules,
        unserved=clusters.unserved(session),
        violations=present,
        violated=ever,
    )


def _committed(session: Session) -> dict[tuple[str, str], int]:
    """Over all periods."""
    query = select(Account.company, Account.pool, func.sum(col(Account.committed))).group_by(
        col(Account.company), col(Account.pool)
    )
    return {(company, pool): int(committed) for company, pool, committed in session.exec(query)}


def _budgets(session: Session, now: float) -> dict[tuple[str, str], Budget]:
    query = select(Account).where(
        ~col(Account.void), col(Account.period) <= int(now), col(Account.period_ends) > int(now)
    )
    return {
        (row.company, row.pool): Budget(
            gpu_seconds=row.target or 0, spent=row.spent, committed=row.committed, ends_at=float(row.period_ends or 0)
        )
        for row in session.exec(query)
    }


def _gpus(session: Session, names: Sequence[str]) -> dict[tuple[str, str], int]:
    found = Counter((gpu.pool or "", state.value) for gpu, state, _ in gpus.states(session))
    return {**{(name, state.value): 0 for name in names for state in GpuState if state != "unpooled"}, **found}


def _leases(session: Session, names: Sequence[str]) -> dict[tuple[str, str], int]:
    query = select(Lease.pool, Lease.state, func.count()).group_by(col(Lease.pool), col(Lease.state))
    found = {(pool, state): count for pool, state, count in session.exec(query)}
    return {**{(name, state.value): 0 for name in names for state in LeaseState}, **found}


def _overdue(session: Session, names: Sequence[str], now: float) -> dict[str, int]:
    query = (
        select(Lease.pool, func.count())
        .where(col(Lease.state).in_(("active", "ending")), col(Lease.stops_at) < int(now))
        .group_by(col(Lease.pool))
    )
    return {**dict.fromkeys(names, 0), **dict(session.exec(query).all())}


def _degraded(session: Session, names: Sequence[str]) -> dict[str, int]:
    """Leases that are without some of their GPUs."""
    query = (
        select(Lease.pool, func.count(func.distinct(Lease.id)))
        .join(Allocation, col(Allocation.lease) == col(Lease.id))
        .join(AllocationLoss, col(AllocationLoss.allocation) == col(Allocation.id))
        .where(col(AllocationLoss.until).is_(None))
        .group_by(col(Lease.pool))
    )
    return {**dict.fromkeys(names, 0), **dict(session.exec(query).all())}


def _used(session: Session, now: float) -> tuple[dict[tuple[str, str, str], int], dict[tuple[str, str], int]]:
    """GPU-seconds and joules since the programme began."""
    began, ends = datetime.fromtimestamp(0, UTC), days.midnights(now, programme.zone(session))[2]
    shown = usage.show(session, actor=_OBSERVER, company=None, since=began, until=to_wire(ends), now=now)
    seconds = {
        (row.company, row.pool, kind): value
        for row in shown.rows
        for kind, value in (
            ("leased", row.leased_gpu_seconds),
            ("busy", row.busy_gpu_seconds),
            ("idle", row.idle_gpu_seconds),
            ("lost", row.lost_gpu_seconds),
        )
    }
    return seconds, {(row.company, row.pool): row.energy_joules for row in shown.rows if row.energy_joules is not None}
