"""Starts: a scheduled lease becomes active at its `starts_at`, on GPUs that are healthy and proved empty.

Where a node cannot give them yet the lease waits, and why is written down; what it waits inside its box is refunded.
"""

from dataclasses import dataclass

from scheduler.core.book import Book
from scheduler.core.lease import advance, charge
from scheduler.core.model import Cause, Instant, State
from scheduler.core.model import Lease as CoreLease
from scheduler.store import allocations, due, generation, gpus, leases, ledger, records
from scheduler.store.books import Books
from scheduler.store.db import Session
from scheduler.store.tables import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A lease that started, and how long after its promise; or that never did, as its whole box had passed."""

    lease: str
    pool: str
    late_s: float
    never: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Leading:
    """Since when this scheduler leads; what was due before then is late because of what was `away`."""

    since: float
    away: str


def start_due(
    session: Session, books: Books, pool: str, *, now: float, lead: Leading, after: str = ""
) -> tuple[list[Started], str | None]:
    """Starts what is due in one pool, a batch of leases at a time; also after which one to go on. The caller commits."""
    book = books.locked(session, pool, Instant(int(now)))
    found = due.starts(session, pool, now=now, after=after)
    free = _free(session, pool, found)
    turn = _Turn(session=session, now=now, lead=lead, free=free, pool=pool, book=book)
    started = [lease for row, core in found if (lease := turn.take(row, core)) is not None]
    session.flush()
    return started, found[-1][0].id if len(found) == due.BATCH else None


def _free(session: Session, pool: str, found: due.Due) -> dict[str, list[str]]:
    nodes = sorted({node for _, lease in found for node, _ in lease.placement})
    return gpus.grantable(session, pool, nodes) if nodes else {}


@dataclass(slots=True, kw_only=True)
class _Turn:
    """One batch of starts; `free` shrinks as leases take their GPUs."""

    session: Session
    pool: str
    now: float
    lead: Leading
    free: dict[str, list[str]]
    book: Book
    number: int | None = None

    def take(self, row: Lease, lease: CoreLease) -> Started | None:
        if row.ends_at is not None and row.ends_at <= self.now:
            return self._never(row, lease)
        if (cause := self._blocked(lease)) is not None:
            self._wait(row, cause)
            return None
        return self._start(row, lease)

    def _generation(self) -> int:
        """Raised once, and only when something changes that the calendar must see."""
        if self.number is None:
            self.number = generation.bump(self.session, self.pool)
        return self.number

    def _blocked(self, lease: CoreLease) -> str | None:
        """Why the lease cannot start on its placement now; None when it can."""
        if not self._may_take(lease):
            return "capacity_lost"
        for node, wanted in lease.placement:
            if len(self.free.get(node, ())) < wanted:
                return allocations.why_short(self.session, node, now=self.now)
        return None

    def _may_take(self, lease: CoreLease) -> bool:
        """A late lease takes only what the calendar leaves beside everybody else's slots: they were promised too."""
        if lease.id not in self.book.leases or lease.starts_at is None or lease.stops_at is None:
            return True
        if lease.starts_at >= int(self.now):
            return True
        blocks_until = lease.stops_at + self.book.policy.gap_s
        others = self.book.calendar.unbook(lease.placement, lease.starts_at, blocks_until)
        return all(others.free[node].least(int(self.now), lease.stops_at) >= gpus for node, gpus in lease.placement)

    def _start(self, row: Lease, lease: CoreLease) -> Started:
        active = advance(lease, State.ACTIVE, Cause.STARTED, Instant(int(self.now)))
        leases.update_row(row, active, generation=self._generation())
        late_s = max(0.0, self.now - (row.promised_start or 0))
        if late_s < 1:
            row.late_cause = None
        elif row.late_cause is None:
            row.late_cause = self.lead.away if self.lead.since > (row.starts_at or 0) else "scheduler_slow"
        self._allocate(row, lease)
        detail = {"late_ms": int(late_s * 1000), "late_cause": row.late_cause}
        records.event(self.session, row, "active", at=self.now, cause=Cause.STARTED, detail=detail)
        self.session.add(row)
        return Started(lease=row.id, pool=row.pool, late_s=late_s)

    def _allocate(self, row: Lease, lease: CoreLease) -> None:
        taken: list[tuple[str, str]] = []
        for node, wanted in lease.placement:
            taken += [(node, gpu) for gpu in self.free[node][:wanted]]
            self.free[node] = self.free[node][wanted:]
        allocations.start(self.session, row.id, taken, now=self.now)

    def _wait(self, row: Lease, cause: str) -> None:
        """The first cause is kept: what else happens while it waits did not make it late."""
        if row.late_cause is not None:
            return
        row.late_cause = cause
        self.session.add(row)
        records.event(self.session, row, "start_delayed", at=self.now, cause=cause)

    def _never(self, row: Lease, lease: CoreLease) -> Started:
        """Its box is over before it could start: the whole of it is refunded."""
        ended = advance(lease, State.ENDED, Cause.EXPIRED, Instant(int(self.now)))
        leases.update_row(row, ended, generation=self._generation())
        row.late_cause = row.late_cause or self.lead.away
        entry = ledger.Entry(
            company=row.company,
            pool=row.pool,
            lease=row.id,
            kind="refund",
            gpu_seconds=charge(ended).lost,
            cause="never_started",
        )
        ledger.post(self.session, [entry], at=int(self.now))
        detail = {"late_cause": row.late_cause}
        records.event(self.session, row, "ended", at=self.now, cause=Cause.EXPIRED, detail=detail)
        self.session.add(row)
        return Started(lease=row.id, pool=row.pool, late_s=self.now - (row.promised_start or 0), never=True)
