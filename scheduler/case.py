"""A lease that is to be changed, with its pool's book as it is decided by; and how the change is written and shown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dure import wire
from dure.errors import WrongState
from scheduler.actor import Actor
from scheduler.core import record, sentences
from scheduler.core.above import Rivals
from scheduler.core.book import Book
from scheduler.core.charge import box
from scheduler.core.contention import NONE
from scheduler.core.extend import EXTENDABLE, Extended
from scheduler.core.model import Cause, Instant, Lease, Placement, State
from scheduler.core.record import Record
from scheduler.core.replan import as_moves, soonest
from scheduler.service import Service, locked_lease
from scheduler.store import amendments, drains, due, edges, generation, leases, plans, shown_leases, tables
from scheduler.store.amendments import Amendment, Event
from scheduler.store.db import Session
from scheduler.store.records import Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A lease under its pool's lock, or as a snapshot shows it."""

    row: tables.Lease
    lease: Lease
    book: Book
    number: int
    now: float
    rivals: Rivals | None = None
    """Whose asks wait in the pool's queue for GPUs; None where shares do not count."""

    @property
    def at(self) -> Instant:
        """From when on a change holds."""
        return Instant(math.ceil(self.now))

    @property
    def ends_at(self) -> Instant:
        assert self.lease.ends_at is not None
        return self.lease.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a lease becomes, the book with it, whom it moves, and by which GPUs of which nodes it changes.

    `decision` is what is kept of it and what is said, where something was decided rather than only given back.
    """

    lease: Lease
    book: Book
    moves: Sequence[tuple[Lease, Lease]] = ()
    in_the_way: str | None = None
    added: Placement = ()
    given_back: Placement = ()
    cleaned: Lease | None = None
    decision: tuple[Record, Said] | None = None


def locked(service: Service, session: Session, lease_id: str, actor: Actor, now: float) -> Case:
    """The lease to be changed, under its pool's lock. Raises UnknownLease."""
    row, lease = locked_lease(session, lease_id, actor)
    number, book, now = service.locked(session, row.pool, now)
    return Case(row=row, lease=lease, book=book, number=number, now=now, rivals=rivals(session, book, row.pool))


def seen(service: Service, session: Session, lease_id: str, actor: Actor, now: float) -> Case:
    """The lease as a snapshot shows it, for a look at what a change would do. Raises UnknownLease."""
    row = leases.row(session, lease_id, actor=actor)
    [(_, lease)] = leases.with_core(session, [row])
    number, book = service.books.seen(session, row.pool, Instant(math.ceil(now)))
    return Case(row=row, lease=lease, book=book, number=number, now=now, rivals=rivals(session, book, row.pool))


def rivals(session: Session, book: Book, pool: str) -> Rivals | None:
    """What a case has of them."""
    return None if book.policy.contended == NONE else due.rivals(session, pool)


def open_to_change(case: Case) -> Case:
    """The case of a lease that is scheduled or runs. Raises WrongState, which says what to do instead.

    One that nobody started while its box lasted is over too, though the loop has not ended it yet.
    """
    lease = case.lease
    over = lease.state in EXTENDABLE and case.at >= (lease.stops_at or 0)
    if lease.state not in EXTENDABLE or over or lease.id not in case.book.leases:
        said = f"lease {lease.id} is {case.row.state}; only a scheduled or active lease is given another end or size"
        raise WrongState(f"{said}, {_instead(lease.state)}", numbers={"state": case.row.state})
    if lease.is_spot:
        raise WrongState(
            f"lease {lease.id} is spot, which is on idle GPUs and is given no other end or size: release it, or ask for another",
            numbers={"state": case.row.state},
        )
    return replace(case, lease=case.book.leases[lease.id])


def _instead(state: State) -> str:
    if state is State.QUEUED:
        return "so cancel it and ask anew"
    return "and this one is over, or about to be: ask for a new one"


def write(service: Service, session: Session, case: Case, change: Change, event: Event) -> None:
    """Stores the change and wakes the loop: room may have appeared, and who made way may be due."""
    number = generation.bump(session, case.row.pool)
    made_way = as_moves(change.moves, Cause.MADE_WAY)
    found = Amendment(
        event=event,
        before=case.lease,
        after=change.lease,
        made_way=made_way,
        cleaned=change.cleaned,
        decision=_decided(session, case, change),
        replaced=(change.given_back, change.added) if event == "replaced" else None,
    )
    amendments.write(session, case.row, found, number=number, at=case.now)
    service.books.keep_on_commit(session, case.row.pool, number, change.book)
    edges.notify(session, case.row.pool)
    session.flush()


def _decided(session: Session, case: Case, change: Change) -> str | None:
    if change.decision is None:
        return None
    kept, said = change.decision
    pool = case.row.pool
    return plans.write_decision(session, case.book, kept, said, pool=pool, decided_at=case.number, at=case.now)


def extension(case: Case, found: Extended, until: int, *, partly: bool) -> Change:
    """The change that an extension is, whoever wanted it until then."""
    detail = sentences.extension(case.lease, found.lease, len(found.moves))
    said = Said(code="extended", detail=detail, numbers={"made_way": len(found.moves)})
    return Change(
        lease=found.lease,
        book=found.book,
        moves=found.moves,
        in_the_way=None if found.obstacle is None else found.obstacle.what,
        decision=(
            record.of_extension(case.book, case.lease.id, until, case.at, found, partly=partly, rivals=case.rivals),
            said,
        ),
    )


def shown(session: Session, case: Case, change: Change, actor: Actor) -> wire.Amended:
    """The lease as it is now, or would be, and what that takes or gives back. Of others' leases only how many moved."""
    before, after = case.lease, change.lease
    assert before.ends_at is not None
    assert after.ends_at is not None
    [lease] = shown_leases.to_wires(session, [case.row], lambda _: {after.id: soonest(change.book, after, case.at)})
    if after.ends_at < before.ends_at:  # who asks for an earlier end wants it to end
        lease = lease.model_copy(update={"renew": False, "renew_s": None})
    mine = [str(moved.id) for moved, _ in change.moves if actor.company in (None, moved.company)]
    policy = case.book.policy
    ahead = drains.ahead_of(session, [after], {after.pool: policy.gap_s}).get(after.id)
    return wire.Amended(
        lease=shown_leases.with_end(lease, after, policy.extension_closes_s, ahead),
        by_s=after.ends_at - before.ends_at,
        commit_gpu_seconds=box(after) - box(before),
        made_way=mine,
        others=len(change.moves) - len(mine),
        in_the_way=change.in_the_way,
        added=shown_leases.shares(change.added),
        given_back=shown_leases.shares(change.given_back),
    )
