"""What can be done to a lease: ask, quote, release, cancel, and have it scheduled out of the queue.

Every function works in the caller's transaction and decides under the pool's lock, so two replicas can never both win.
The API calls it for people, the loop for time; nothing else changes a lease but `scheduler.turns`.
"""

import math
from collections.abc import Callable

from dure import wire
from dure.errors import WrongState
from scheduler import asks
from scheduler.actor import Actor
from scheduler.core.book import Book
from scheduler.core.decide import decide
from scheduler.core.lease import advance, charge, schedule
from scheduler.core.model import Ask, Cause, CompanyId, Instant, PoolId, Promise, Refusal, State, Verdict
from scheduler.core.model import Lease as CoreLease
from scheduler.ids import new_id
from scheduler.store import audit, edges, generation, leases, ledger, quotas, records
from scheduler.store.books import POLICY_VERSION, Books
from scheduler.store.db import Session
from scheduler.store.tables import Lease, PlacementRow
from scheduler.store.times import to_wire

SOON_S = 2
"""The loop wakes every second anyway; only a start sooner than this is worth waking it for."""


class Service:
    """Holds nothing but the process's copy of the books.

    `clock` is read again once a pool's lock is ours: others may have held it for seconds, and no start is promised in
    a past that passed while waiting.
    """

    def __init__(self, books: Books, clock: Callable[[], float] = lambda: 0.0) -> None:
        self.books, self._clock = books, clock

    def locked(self, session: Session, pool: str, now: float) -> tuple[Book, float]:
        """The pool's book under its lock, and the time now that we have it. Raises UnknownPool."""
        book = self.books.locked(session, pool, Instant(math.ceil(now)))
        return book, max(now, self._clock())

    def ask(self, session: Session, body: wire.Ask, *, actor: Actor, now: float) -> wire.Lease:
        """Decides an ask and stores the decision: the lease is `scheduled`, `queued` or `refused`.

        Raises UnknownCompany, UnknownPool, Forbidden, InvalidRequest, WindowInPast, BeyondHorizon; then nothing is stored.
        """
        ask = asks.parsed(session, body, actor, now)
        book, now = self.locked(session, ask.pool, now)
        verdict = decide(book, quotas.limit(session, ask.company, ask.pool), ask, Instant(math.ceil(now)))
        row = _asked(session, body, ask, verdict, now)
        if isinstance(verdict, Promise):
            _book(session, row, verdict, now)
        records.event(session, row, row.state, at=now, cause=Cause.ASKED, detail={"decision": row.decision})
        audit.record(
            session,
            actor=actor,
            action="lease.ask",
            subject=row.id,
            at=now,
            after={**body.model_dump(mode="json"), "state": row.state},
        )
        if row.starts_at is not None and row.starts_at <= now + SOON_S:
            edges.notify(session, ask.pool)
        session.flush()
        return leases.to_wires(session, [row])[0]

    def quote(self, session: Session, body: wire.Ask, *, actor: Actor, now: float) -> wire.Quote:
        """What `ask` would decide now; nothing is stored. Raises what `ask` raises."""
        ask = asks.parsed(session, body, actor, now)
        at = Instant(math.ceil(now))
        book = self.books.seen(session, ask.pool, at)
        verdict = decide(book, quotas.limit(session, ask.company, ask.pool), ask, at)
        return _quoted(verdict, ask, now)

    def pull(self, session: Session, row: Lease, book: Book, *, now: float) -> Book:
        """Decides a queued ask again, on the book whose lock the caller holds; a promise takes it out of the queue."""
        ask = _queued_ask(row)
        verdict = decide(book, quotas.limit(session, row.company, row.pool), ask, Instant(math.ceil(now)))
        if not isinstance(verdict, Promise):
            return book
        row.decision = _decided(session, verdict, ask, row.id, row.pool, now)
        lease = _book(session, row, verdict, now)
        records.event(session, row, "scheduled", at=now, cause=Cause.CAPACITY, detail={"decision": row.decision})
        return book.put_lease(lease)

    def release(self, session: Session, lease_id: str, *, actor: Actor, now: float) -> wire.Lease:
        """Ends an active lease now; the rest of its box is refunded. An admin's release of it is a revocation.

        Raises UnknownLease, WrongState.
        """
        row, lease = _locked(session, lease_id, actor)
        now = max(now, self._clock())
        if lease.state is not State.ACTIVE:
            raise WrongState(_not_releasable(row), numbers={"state": row.state})
        cause = Cause.REVOKED if actor.role is wire.Role.ADMIN else Cause.RELEASED
        stopped = advance(lease, State.ENDING, cause, Instant(math.ceil(now)))
        leases.update_row(row, stopped, generation=generation.bump(session, row.pool))
        records.event(session, row, "ending", at=now, cause=cause)
        audit.record(session, actor=actor, action="lease.release", subject=row.id, at=now, after={"cause": cause.value})
        edges.notify(session, row.pool)
        session.flush()
        return leases.to_wires(session, [row])[0]

    def preview_release(self, session: Session, lease_id: str, *, actor: Actor, now: float) -> wire.EndPreview:
        """What `release` would do. Raises what it raises."""
        row = leases.row(session, lease_id, actor=actor)
        [(_, lease)] = leases.with_core(session, [row])
        if lease.state is not State.ACTIVE:
            raise WrongState(_not_releasable(row), numbers={"state": row.state})
        stopped = advance(lease, State.ENDING, Cause.RELEASED, Instant(math.ceil(now)))
        refund = charge(stopped)
        return wire.EndPreview(
            lease=row.id,
            state=wire.LeaseState.ENDING,
            stops_at=to_wire(stopped.stops_at),
            refund_gpu_seconds=refund.returned + refund.lost,
        )

    def cancel(self, session: Session, lease_id: str, *, actor: Actor, now: float) -> wire.Lease:
        """Takes back an ask that has not started; a promise's whole box is refunded. Raises UnknownLease, WrongState."""
        row, lease = _locked(session, lease_id, actor)
        if lease.state not in (State.QUEUED, State.SCHEDULED):
            raise WrongState(_not_cancellable(row), numbers={"state": row.state})
        leases.update_row(
            row,
            advance(lease, State.CANCELLED, Cause.CANCELLED, Instant(int(now))),
            generation=generation.bump(session, row.pool),
        )
        if lease.state is State.SCHEDULED:
            entry = ledger.Entry(
                company=row.company,
                pool=row.pool,
                lease=row.id,
                kind="refund",
                gpu_seconds=_box(row),
                cause=Cause.CANCELLED.value,
            )
            ledger.post(session, [entry], at=int(now))
        records.event(session, row, "cancelled", at=now, cause=Cause.CANCELLED)
        audit.record(session, actor=actor, action="lease.cancel", subject=row.id, at=now)
        edges.notify(session, row.pool)
        session.flush()
        return leases.to_wires(session, [row])[0]

    def preview_cancel(self, session: Session, lease_id: str, *, actor: Actor, now: float) -> wire.EndPreview:
        """What `cancel` would do. Raises what it raises."""
        row = leases.row(session, lease_id, actor=actor)
        if row.state not in ("queued", "scheduled"):
            raise WrongState(_not_cancellable(row), numbers={"state": row.state})
        return wire.EndPreview(
            lease=row.id,
            state=wire.LeaseState.CANCELLED,
            stops_at=None,
            refund_gpu_seconds=_box(row) if row.state == "scheduled" else 0,
        )


def _box(row: Lease) -> int:
    return row.total_gpus * row.duration_s


def _decided(session: Session, verdict: Verdict, ask: Ask, lease: str, pool: str, now: float) -> str:
    row = records.decision(
        session,
        verdict,
        ask,
        lease=lease,
        generation=generation.current(session, pool),
        policy_version=POLICY_VERSION,
        now=now,
        request_id=session.info.get(audit.REQUEST_ID),
    )
    session.flush()
    return row.id


def _asked(session: Session, body: wire.Ask, ask: Ask, verdict: Verdict, now: float) -> Lease:
    lease_id = new_id("lea", now)
    state = State.REFUSED if isinstance(verdict, Refusal) else State.QUEUED
    row = Lease(
        id=lease_id,
        company=ask.company,
        pool=ask.pool,
        name=body.name,
        nodes=body.shape.nodes,
        gpus_per_node=body.shape.gpus_per_node,
        gpus=body.shape.gpus,
        total_gpus=ask.shape.gpus,
        duration_s=ask.duration_s,
        tier=body.tier,
        purpose=body.purpose,
        wants_queue=body.queue,
        start=ask.start,
        start_by=ask.start_by,
        state=state.value,
        asked_at=int(now),
        decision=_decided(session, verdict, ask, lease_id, ask.pool, now),
        generation=0,
    )
    session.add(row)
    session.flush()
    return row


def _book(session: Session, row: Lease, promise: Promise, now: float) -> CoreLease:
    """Gives the promise to the row: placement, ledger, and the generation that shows it to every calendar."""
    lease = schedule(leases.to_core(row, ()), promise)
    leases.update_row(row, lease, generation=generation.bump(session, row.pool))
    for node, gpus in promise.placement:
        session.add(PlacementRow(lease=row.id, node=node, gpus=gpus))
    entry = ledger.Entry(
        company=row.company, pool=row.pool, lease=row.id, kind="commit", gpu_seconds=_box(row), cause="promised"
    )
    ledger.post(session, [entry], at=int(now))
    return lease


def _queued_ask(row: Lease) -> Ask:
    return Ask(
        company=CompanyId(row.company),
        pool=PoolId(row.pool),
        shape=leases.shape(row),
        duration_s=row.duration_s,
        start=None if row.start is None else Instant(row.start),
        start_by=None if row.start_by is None else Instant(row.start_by),
    )


def _locked(session: Session, lease_id: str, actor: Actor) -> tuple[Lease, CoreLease]:
    """The lease under its pool's lock, read after the lock was taken."""
    seen = leases.row(session, lease_id, actor=actor)
    generation.lock(session, seen.pool)
    row = leases.row(session, lease_id, actor=actor, lock=True)
    [(_, lease)] = leases.with_core(session, [row])
    return row, lease


def _quoted(verdict: Verdict, ask: Ask, now: float) -> wire.Quote:
    decision = records.dry_decision(verdict, ask, policy_version=POLICY_VERSION, now=now)
    if not isinstance(verdict, Promise):
        return wire.Quote(decision=decision, promised_start=None, starts_at=None, ends_at=None, placement=[])
    return wire.Quote(
        decision=decision,
        promised_start=to_wire(verdict.start),
        starts_at=to_wire(verdict.start),
        ends_at=to_wire(verdict.end),
        placement=[wire.NodeShare(node=node, gpus=gpus) for node, gpus in verdict.placement],
    )


def _not_releasable(row: Lease) -> str:
    hint = {
        "queued": f"cancel it instead: `dure lease cancel {row.id}`",
        "scheduled": f"cancel it instead: `dure lease cancel {row.id}`",
    }.get(row.state, "it ends by itself, and there is nothing left to release")
    return f"lease {row.id} is {row.state}; only an active lease is released, {hint}"


def _not_cancellable(row: Lease) -> str:
    hint = f"release it instead: `dure lease release {row.id}`" if row.state == "active" else "it is over already"
    return f"lease {row.id} is {row.state}; only a queued or scheduled lease is cancelled, {hint}"
