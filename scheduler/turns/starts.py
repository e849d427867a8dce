"""Starts: a scheduled lease becomes active at its `starts_at`, on GPUs that are healthy and proved empty.

Where a node cannot give them, spare ones that are free beside everybody else's slots do; without those the lease waits,
and why is written down. What it waits inside its box is refunded. After the policy's `loss_grace_s` it slips: its whole box moves
to the earliest start that is left, and so does its promise, with the cause.
"""

from dataclasses import dataclass, replace

from scheduler.core.book import Book, Draft
from scheduler.core.lease import advance, charge
from scheduler.core.model import Cause, Instant, NodeId, State
from scheduler.core.model import Lease as CoreLease
from scheduler.core.repair import elsewhere, later
from scheduler.core.replan import Move
from scheduler.store import allocations, due, generation, gpus, leases, ledger, plans, records
from scheduler.store.books import Books
from scheduler.store.db import Session
from scheduler.store.tables import Lease

SPARES_TRIED = 3
"""How many placements are tried for a start that is blocked: the calendar may know less than the newest report."""


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
    number, book = books.locked(session, pool, Instant(int(now)))
    found = due.starts(session, pool, now=now, after=after)
    turn = _Turn(session=session, now=now, lead=lead, free={}, pool=pool, book=book, books=books)
    turn.look_at({node for _, lease in found for node, _ in lease.placement})
    started = [lease for row, core in found if (lease := turn.take(row, core)) is not None]
    turn.close(number)
    session.flush()
    return started, found[-1][0].id if len(found) == due.BATCH else None


_CAUSES = {"node_unknown": Cause.NODE_UNKNOWN}
"""The causes of a blocked start that are more than lost capacity."""


@dataclass(slots=True, kw_only=True)
class _Turn:
    """One batch of starts; `free` shrinks as leases take their GPUs."""

    session: Session
    pool: str
    now: float
    lead: Leading
    free: dict[str, list[str]]
    book: Book
    books: Books
    number: int | None = None

    def look_at(self, nodes: set[str]) -> None:
        """Finds out which GPUs of these nodes can be given now."""
        unseen = sorted(nodes - self.free.keys())
        if unseen:
            found = gpus.grantable(self.session, self.pool, unseen)
            self.free |= {node: found.get(node, []) for node in unseen}

    def close(self, number: int) -> None:
        """Keeps the book that the batch made, if it made one."""
        if self.number is not None:
            self.books.keep_on_commit(self.session, self.pool, max(number, self.number), self.book)

    def take(self, row: Lease, lease: CoreLease) -> Started | None:
        if row.ends_at is not None and row.ends_at <= self.now:
            return self._never(row, lease)
        cause = self._blocked(lease)
        if cause is not None and (spare := self._spare(lease)) is not None:
            self._move(row, lease, spare, cause)
            lease, cause = spare, None
        if cause is not None:
            self._wait_or_slip(row, lease, cause)
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
        others = Draft(self.book)
        others.lift(lease.id)
        rows = [(others.rows[node], gpus) for node, gpus in lease.placement if node in others.rows]
        return all(others.free.least(row, int(self.now), lease.stops_at) >= gpus for row, gpus in rows)

    def _spare(self, lease: CoreLease) -> CoreLease | None:
        """The lease on nodes that can give it GPUs now, beside everybody else's slots; None if there are none."""
        draft = Draft(self.book)
        draft.lift(lease.id)
        for _ in range(SPARES_TRIED):
            self._close_short(draft, lease.placement)
            found = elsewhere(draft, lease, Instant(int(self.now)))
            if found is None:
                return None
            self.look_at({node for node, _ in found.placement})
            if all(len(self.free[node]) >= wanted for node, wanted in found.placement):
                return found
            lease = replace(lease, placement=found.placement)
        return None

    def _close_short(self, draft: Draft, placement: tuple[tuple[NodeId, int], ...]) -> None:
        """Nodes that cannot give what was wanted of them now are passed over."""
        for node, wanted in placement:
            if node in draft.nodes and len(self.free.get(node, ())) < wanted:
                draft.put_node(replace(draft.nodes[node], open=False))

    def _move(self, row: Lease, before: CoreLease, after: CoreLease, cause: str) -> None:
        move = Move(before=before, after=after, cause=_CAUSES.get(cause, Cause.CAPACITY_LOST))
        plans.write_moves(self.session, self.pool, [move], decision=None, number=self._generation(), at=self.now)
        self.session.refresh(row)
        self.book = self.book.put_lease(after)

    def _wait_or_slip(self, row: Lease, lease: CoreLease, cause: str) -> None:
        """The first cause is kept: what else happens while it waits did not make it late."""
        if row.late_cause is None:
            row.late_cause = cause
            self.session.add(row)
            records.event(self.session, row, "start_delayed", at=self.now, cause=cause)
        # A short box slips in time to be had at all.
        if self.now >= (lease.starts_at or 0) + min(self.book.policy.loss_grace_s, lease.duration_s // 2):
            self._slip(row, lease, cause)

    def _slip(self, row: Lease, lease: CoreLease, cause: str) -> None:
        draft = Draft(self.book)
        draft.lift(lease.id)
        at = Instant(int(self.now))
        moved = later(draft, lease, Instant(at + 1)) or advance(lease, State.QUEUED, Cause.CAPACITY_LOST, at)
        self.session.flush()
        self._move(row, lease, moved, cause)

    def _start(self, row: Lease, lease: CoreLease) -> Started:
        active = advance(lease, State.ACTIVE, Cause.STARTED, Instant(int(self.now)))
        leases.change(self.session, row, active, generation=self._generation(), at=self.now)
        self.book = self.book.put_lease(active)
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

    def _never(self, row: Lease, lease: CoreLease) -> Started:
        """Its box is over before it could start: the whole of it is refunded."""
        ended = advance(lease, State.ENDED, Cause.EXPIRED, Instant(int(self.now)))
        leases.change(self.session, row, ended, generation=self._generation(), at=self.now)
        self.book = self.book.put_lease(ended)
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
