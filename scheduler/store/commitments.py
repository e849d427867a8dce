"""What becomes of leases, in the ledger: each account of their companies gets its part.

The caller holds the pool's lock and commits.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session

from scheduler.core import commitments
from scheduler.core.charge import Stretch
from scheduler.core.ledger import Kind, Period
from scheduler.core.model import Cause, CompanyId, Instant, Lease
from scheduler.core.quota import Quota
from scheduler.store import ledger
from scheduler.store.ledger import Entry

_PERIODS = text(
    """
    SELECT company, extract(epoch FROM period)::bigint AS begins_at, extract(epoch FROM period_ends)::bigint AS ends_at
    FROM account
    WHERE pool = :pool AND company = ANY(:companies) AND period IS NOT NULL AND NOT void AND period_ends > to_timestamp(:since)
    ORDER BY company, period
    """
)

Periods = Mapping[str, tuple[Period, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A lease that got a slot, another one, or lost it, and why; None for `before` where there was none."""

    before: Lease | None = None
    after: Lease
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """A lease that is over, when it was without GPUs of its own, and why it was late or gave something back."""

    lease: Lease
    lost: Sequence[Stretch] = ()
    late_cause: str = "late_start"
    end_cause: str = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A lease whose company's accounts were those of some periods, and have become those of others."""

    lease: Lease
    was: Sequence[Period]
    have: Sequence[Period]
    cause: str


def promise(session: Session, promised: Sequence[Lease], quotas: Mapping[CompanyId, Quota], *, at: float) -> None:
    """Commits the boxes of leases, all of one pool, that were promised just now by these quotas of its book.

    The periods that these have are the accounts' as long as the pool's lock is held, and none that is over matters to
    what has not started: so nothing is looked up.
    """
    entries = [
        _entry(lease, period, "commit", amount, "promised")
        for lease in promised
        for period, amount in commitments.changed(None, lease, _periods(quotas.get(lease.company)))
    ]
    ledger.post(session, entries, at=int(at))


def post(session: Session, changes: Sequence[Change], *, at: float) -> None:
    """Commits or refunds what each account of these leases, all of one pool, has more or less of them."""
    if not changes:
        return
    leases = [lease for one in changes for lease in (one.before, one.after) if lease is not None]
    known = periods(session, changes[0].after.pool, {lease.company for lease in leases}, _since(leases))
    entries = [
        entry
        for one in changes
        for entry in _entries(one, known.get(one.after.company, ()), known.get(one.after.company, ()))
    ]
    ledger.post(session, entries, at=int(at))


def move(session: Session, moved: Sequence[Moved], *, at: float) -> None:
    """Commits of the new accounts what these leases take of them, and refunds what they took of the old ones."""
    entries = [
        entry
        for one in moved
        for entry in _entries(Change(before=one.lease, after=one.lease, cause=one.cause), one.was, one.have)
    ]
    ledger.post(session, entries, at=int(at))


def settle(session: Session, stopped: Sequence[Over], *, at: float) -> None:
    """The whole box of each of these leases, all of one pool, in its parts: had, not had as it was late or lost, given back."""
    if not stopped:
        return
    leases = [one.lease for one in stopped]
    known = periods(session, leases[0].pool, {lease.company for lease in leases}, _since(leases))
    entries = [
        _entry(one.lease, period, kind, amount, cause)
        for one in stopped
        for period, parts in commitments.settled(one.lease, known.get(one.lease.company, ()), one.lost)
        for kind, amount, cause in _parts(one, parts)
    ]
    ledger.post(session, entries, at=int(at))


def periods(session: Session, pool: str, companies: Collection[str], since: int) -> Periods:
    """The periods that these companies have accounts of, and that were not over at `since`, in order."""
    values = {"pool": pool, "companies": sorted(companies), "since": since}
    found: dict[str, tuple[Period, ...]] = {}
    for row in session.connection().execute(_PERIODS, values):
        period = Period(begins_at=Instant(row.begins_at), ends_at=Instant(row.ends_at))
        found[row.company] = (*found.get(row.company, ()), period)
    return found


def _periods(quota: Quota | None) -> Sequence[Period]:
    found = () if quota is None else quota.periods
    return [Period(begins_at=one.begins_at, ends_at=one.ends_at) for one in found]


def _entries(change: Change, was: Sequence[Period], have: Sequence[Period]) -> Iterator[Entry]:
    for period, more in commitments.changed(change.before, change.after, was, have):
        yield _entry(change.after, period, "commit" if more > 0 else "refund", abs(more), change.cause)


def _since(leases: Sequence[Lease]) -> int:
    return min((lease.starts_at for lease in leases if lease.starts_at is not None), default=0)


def _parts(one: Over, parts: commitments.Charge) -> tuple[tuple[Kind, int, str], ...]:
    return (
        ("settle", parts.delivered, "delivered"),
        ("refund", parts.late, one.late_cause),
        ("refund", parts.lost, Cause.CAPACITY_LOST.value),
        ("refund", parts.returned, one.end_cause),
    )


def _entry(lease: Lease, period: Period | None, kind: Kind, gpu_seconds: int, cause: str) -> Entry:
    return Entry(
        company=lease.company,
        pool=lease.pool,
        lease=lease.id,
        period=period,
        kind=kind,
        gpu_seconds=gpu_seconds,
        cause=cause,
    )
