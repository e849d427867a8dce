"""Starts: a scheduled lease becomes active at its `starts_at`, on GPUs that are healthy and proved empty.

Where a node cannot give them, spare ones that are free beside everybody else's slots do; without those the lease waits,
and why is written down. What it waits inside its box is refunded. After the policy's `loss_grace_s` it slips: its whole box moves
to the earliest start that is left, and so does its promise, with the cause.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scheduler.core import promises, record, sentences
from scheduler.core.book import Book, Draft
from scheduler.core.lease import advance
from scheduler.core.model import Cause, Instant, NodeId, State
from scheduler.core.model import Lease as CoreLease
from scheduler.core.preemption import cut
from scheduler.core.replan import Move, as_moves
from scheduler.core.starting import slip, spare
from scheduler.store import allocations, commitments, due, generation, gpus, leases, plans, promise_counts, records
from scheduler.store.books import Books
from scheduler.store.commitments import Over
from scheduler.store.db import Session
from scheduler.store.records import Said
from scheduler.store.tables import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A lease that started, and how long after its promise; or that never did, as its whole box had passed; or that slips.

    `unexpected_s` is how far the start is from what was expected when it was asked for; None where nothing was.
    """

    lease: str
    company: str
    pool: str
    late_s: float
    never: bool = False
    slipped_because: Cause | None = None
    spot: bool = False
    unexpected_s: float | None = None

    @property
    def counts(self) -> promises.Counts:
        """What became of a promise by it; a slip is counted as the move that it is."""
        if self.slipped_because is not None:
            return Counter()
        return promises.of_start(self.late_s, never=self.never, spot=self.spot)

    @property
    def action(self) -> str:
        """What the log calls it."""
        if self.never:
            return "lease_never_started"
        return "lease_start" if self.slipped_because is None else "lease_slip"


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
    turn = _Turn(session=session, now=now, lead=lead, free={}, pool=pool, book=book, books=books, decided_at=number)
    turn.look_at({node for _, lease in found for node, _ in lease.placement})
    started = [lease for row, core in found if (lease := turn.take(row, core)) is not None]
    turn.close()
    session.flush()
    promise_counts.add(session, pool, promises.all_of(one.counts for one in started))
    return started, found[-1][0].id if len(found) == due.BATCH else None


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
    decided_at: int
    number: int | None = None
    """The generation that its changes are in, once there are any; a move has one of its own."""

    def look_at(self, nodes: set[str]) -> None:
        """Finds out which GPUs of these nodes can be given now."""
        unseen = sorted(nodes - self.free.keys())
        if unseen:
            found = gpus.grantable(self.session, self.pool, unseen)
            self.free |= {node: found.get(node, []) for node in unseen}

    def close(self) -> None:
        """Keeps the book that the batch made, if it made one."""
        if self.number is not None:
            self.books.keep_on_commit(self.session, self.pool, self.number, self.book)

    def take(self, row: Lease, lease: CoreLease) -> Started | None:
        if row.stops_at is not None and row.stops_at <= self.now:
            return self._never(row, lease)
        (cause, node), at = self._blocked(lease), Instant(math.ceil(self.now))
        if cause is not None and (found := spare(self.book, lease, self._given, at)) is not None:
            self._move(row, Move(before=lease, after=found, cause=cause), node)
            lease, cause = found, None
        if cause is not None:
            return self._wait_or_slip(row, lease, cause, node)
        return self._start(row, lease)

    def _generation(self) -> int:
        """Raised only when something changes that the calendar must see."""
        if self.number is None:
            self.number = generation.bump(self.session, self.pool)
        return self.number

    def _blocked(self, lease: CoreLease) -> tuple[Cause | None, NodeId | None]:
        """Why the lease cannot start on its placement now, and because of which node; no cause when it can."""
        if not self._may_take(lease):
            return Cause.CAPACITY_LOST, None
        for node, wanted in lease.placement:
            if len(self.free.get(node, ())) < wanted:
                return allocations.why_short(self.session, node, now=self.now), node
        return None, None

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

    def _given(self, nodes: frozenset[NodeId]) -> dict[NodeId, int]:
        self.look_at(set(nodes))
        return {node: len(self.free[node]) for node in nodes}

    def _move(
        self, row: Lease, move: Move, node: NodeId | None, begin: Instant | None = None, cut_: Sequence[Move] = ()
    ) -> None:
        """Writes down the move, the spot leases that are cut for it, and what it was decided from: the book with all that
        this turn did before.
        """
        moves = [move, *cut_]
        given = {NodeId(node): len(free) for node, free in sorted(self.free.items())}
        recorded = record.of_start(self.book, moves, given, Instant(math.ceil(self.now)), begin)
        said = Said(code="slipped" if begin is not None else "spare", detail=sentences.start(move), numbers={})
        decided_at = self.decided_at if self.number is None else self.number
        head = plans.write_decision(
            self.session, self.book, recorded, said, pool=self.pool, decided_at=decided_at, at=self.now
        )
        self.number = generation.bump(self.session, self.pool)
        losses = {} if node is None else {move.after.id: {"node": node}}
        plans.write_moves(self.session, self.pool, moves, decision=head, number=self.number, at=self.now, losses=losses)
        self.session.refresh(row)
        self.book = self.book.put_leases([one.after for one in moves])

    def _wait_or_slip(self, row: Lease, lease: CoreLease, cause: Cause, node: NodeId | None) -> Started | None:
        """The first cause is kept: what else happens while it waits did not make it late."""
        if row.late_cause is None:
            row.late_cause = cause.value
            self.session.add(row)
            detail = None if node is None else {"node": node}
            records.event(self.session, row, "start_delayed", at=self.now, cause=cause, detail=detail)
        # A short box slips in time to be had at all.
        if self.now < (lease.starts_at or 0) + min(self.book.policy.loss_grace_s, lease.duration_s // 2):
            return None
        self._slip(row, lease, cause, node)
        return self._due(row, lease, slipped_because=cause)

    def _slip(self, row: Lease, lease: CoreLease, cause: Cause, node: NodeId | None) -> None:
        begin = Instant(int(self.now) + 1)
        moved, others = slip(self.book, lease, begin)
        self.session.flush()
        cut_ = as_moves(others)
        self._move(row, Move(before=lease, after=moved, cause=cause), node, begin, cut_)

    def _start(self, row: Lease, lease: CoreLease) -> Started:
        active = advance(lease, State.ACTIVE, Cause.STARTED, Instant(int(self.now)))
        leases.change(self.session, row, active, generation=self._generation(), at=self.now)
        self.book = self.book.put_lease(active)
        late_s = max(0.0, self.now - (row.promised_start or 0))
        if (
            late_s < 1
        ):  # from a whole second on it is refunded, and that has a cause, though the promise is kept within one
            if row.late_cause is not None and not records.slipped(self.session, row.id):
                row.late_cause = None
        elif row.late_cause is None:
            row.late_cause = self.lead.away if self.lead.since > (row.starts_at or 0) else "scheduler_slow"
        self._allocate(row, lease)
        detail = {"late_ms": int(late_s * 1000), "late_cause": row.late_cause}
        records.event(self.session, row, "active", at=self.now, cause=Cause.STARTED, detail=detail)
        self.session.add(row)
        unexpected_s = None if row.expected_start is None else abs(self.now - row.expected_start)
        return replace(self._due(row, lease), unexpected_s=unexpected_s)

    def _due(
        self, row: Lease, lease: CoreLease, *, never: bool = False, slipped_because: Cause | None = None
    ) -> Started:
        late_s = max(0.0, self.now - (lease.promised_start or 0))
        return Started(
            lease=row.id,
            pool=row.pool,
            late_s=late_s,
            never=never,
            slipped_because=slipped_because,
            spot=lease.is_spot,
            company=row.company,
        )

    def _allocate(self, row: Lease, lease: CoreLease) -> None:
        taken: list[tuple[str, str]] = []
        for node, wanted in lease.placement:
            taken += [(node, gpu) for gpu in self.free[node][:wanted]]
            self.free[node] = self.free[node][wanted:]
        allocations.start(self.session, row.id, taken, now=self.now)

    def _never(self, row: Lease, lease: CoreLease) -> Started:
        """Its box is over before it could start: the whole of it is refunded."""
        cause = Cause.PREEMPTED if cut(lease) else Cause.EXPIRED
        ended = advance(lease, State.ENDED, cause, Instant(int(self.now)))
        leases.change(self.session, row, ended, generation=self._generation(), at=self.now)
        self.book = self.book.put_lease(ended)
        row.late_cause = row.late_cause or self.lead.away
        self.session.flush()
        commitments.settle(self.session, [Over(lease=ended, late_cause="never_started")], at=self.now)
        detail = {"late_cause": row.late_cause}
        records.event(self.session, row, "ended", at=self.now, cause=cause, detail=detail)
        self.session.add(row)
        return self._due(row, lease, never=True)
