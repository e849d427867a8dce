"""What can be done to a lease after it was promised: more time, less of it, and renewal.

Works in the caller's transaction and decides under the pool's lock, as `scheduler.service` does.
"""

import math
from dataclasses import dataclass, replace

from dure import wire
from dure.errors import ExtensionRefused, InvalidRequest, TooLateToExtend, WrongState
from dure.wire import FieldError
from scheduler.actor import Actor
from scheduler.core import record, sentences
from scheduler.core.book import Book
from scheduler.core.extend import (
    EXTENDABLE,
    Extended,
    NotExtended,
    closes_at,
    extend,
    lessen,
    numbers,
    shorten,
)
from scheduler.core.model import Cause, Gang, Instant, Lease, State
from scheduler.core.replan import Move
from scheduler.service import Service, locked_lease
from scheduler.store import audit, edges, generation, leases, plans, tables
from scheduler.store.db import Session
from scheduler.store.records import Said
from scheduler.store.times import from_wire, to_wire

RENEWED_BEFORE_S = 1800
"""A lease that renews itself is extended so long before extending closes, or once half of its box is over if that is later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A lease under its pool's lock, or as a snapshot shows it."""

    row: tables.Lease
    lease: Lease
    book: Book
    number: int
    now: float

    @property
    def at(self) -> Instant:
        return Instant(math.ceil(self.now))


def extended(
    service: Service, session: Session, lease_id: str, body: wire.Extend, *, actor: Actor, now: float
) -> wire.Amended:
    """Extends a lease. Raises UnknownLease, WrongState, TooLateToExtend, ExtensionRefused, InvalidRequest."""
    case = _locked(service, session, lease_id, actor, now)
    found = _extension(case, body)
    return _written(service, session, case, found, event="extended", actor=actor)


def preview_extended(
    service: Service, session: Session, lease_id: str, body: wire.Extend, *, actor: Actor, now: float
) -> wire.Amended:
    """What `extended` would do; nothing is changed. Raises what it raises."""
    case = _seen(service, session, lease_id, actor, now)
    return _amended(session, case, _extension(case, body), actor)


def shrunk(
    service: Service, session: Session, lease_id: str, body: wire.Shrink, *, actor: Actor, now: float
) -> wire.Amended:
    """Gives back a part of a lease. Raises UnknownLease, WrongState, InvalidRequest."""
    case = _locked(service, session, lease_id, actor, now)
    found = _shrunk(case, body)
    answer = _written(service, session, case, found, event="shrunk", actor=actor)
    edges.notify(session, case.row.pool)
    return answer


def preview_shrunk(
    service: Service, session: Session, lease_id: str, body: wire.Shrink, *, actor: Actor, now: float
) -> wire.Amended:
    """What `shrunk` would do; nothing is changed. Raises what it raises."""
    case = _seen(service, session, lease_id, actor, now)
    return _amended(session, case, _shrunk(case, body), actor)


def renewing(session: Session, lease_id: str, body: wire.Renewal, *, actor: Actor, now: float) -> wire.Lease:
    """Says whether a lease renews itself, by the length that it has now. Raises UnknownLease, WrongState."""
    row, lease = locked_lease(session, lease_id, actor)
    if lease.state not in {*EXTENDABLE, State.QUEUED} or row.purpose != "inference":
        said = f"lease {row.id} is {row.state} and for {row.purpose}; only inference leases that are not over renew themselves"
        raise WrongState(said, numbers={"state": row.state, "purpose": row.purpose})
    row.renew_s = lease.duration_s if body.renew else None
    row.renewal_refused_at = None
    session.add(row)
    audit.record(session, actor=actor, action="lease.renewal", subject=row.id, at=now, after=body.model_dump())
    session.flush()
    return leases.to_wires(session, [row])[0]


def renew(service: Service, session: Session, row: tables.Lease, lease: Lease, *, now: float) -> Extended | NotExtended:
    """Extends a lease that renews itself: by its length, else as far as possible. The caller holds the pool's lock."""
    number, book, now = service.locked(session, row.pool, now)
    assert row.renew_s is not None
    assert lease.ends_at is not None
    case = _Case(row=row, lease=book.leases[lease.id], book=book, number=number, now=now)
    found = extend(book, lease.id, lease.ends_at + row.renew_s, case.at, partly=True)
    if isinstance(found, Extended):
        _write(service, session, case, found, event="renewed")
    return found


def _locked(service: Service, session: Session, lease_id: str, actor: Actor, now: float) -> _Case:
    row, lease = locked_lease(session, lease_id, actor)
    number, book, now = service.locked(session, row.pool, now)
    return _checked(_Case(row=row, lease=lease, book=book, number=number, now=now))


def _seen(service: Service, session: Session, lease_id: str, actor: Actor, now: float) -> _Case:
    row = leases.row(session, lease_id, actor=actor)
    [(_, lease)] = leases.with_core(session, [row])
    number, book = service.books.seen(session, row.pool, Instant(math.ceil(now)))
    return _checked(_Case(row=row, lease=lease, book=book, number=number, now=now))


def _checked(case: _Case) -> _Case:
    if case.lease.state not in EXTENDABLE or case.lease.id not in case.book.leases:
        said = f"lease {case.row.id} is {case.row.state}; only a scheduled or active lease is given another end"
        raise WrongState(said, numbers={"state": case.row.state})
    return replace(case, lease=case.book.leases[case.lease.id])


def _extension(case: _Case, body: wire.Extend) -> Extended:
    lease, at = case.lease, case.at
    closes = closes_at(lease)
    assert lease.ends_at is not None
    assert closes is not None
    if lease.state is State.ACTIVE and at > closes:
        said = f"extending lease {lease.id} closed at {_rfc(closes)}, before its end at {_rfc(lease.ends_at)}; ask for a new lease"
        raise TooLateToExtend(said, numbers={"closed_at": _rfc(closes), "ends_at": _rfc(lease.ends_at)})
    until = _until(case, body)
    if until <= lease.ends_at:
        raise _invalid("until", f"the lease ends at {_rfc(lease.ends_at)} already; give a later time, or shrink it")
    found = extend(case.book, lease.id, until, at, partly=body.partly or body.longest)
    if isinstance(found, NotExtended):
        raise ExtensionRefused(_why(lease, found, until), numbers=dict(numbers(lease, found)))
    return found


def _until(case: _Case, body: wire.Extend) -> int:
    assert case.lease.ends_at is not None
    if body.until is not None:
        return from_wire(body.until)
    return case.at + case.book.policy.horizon_s if body.by_s is None else case.lease.ends_at + body.by_s


def _why(lease: Lease, found: NotExtended, until: int) -> str:
    what = {
        "horizon": "that is beyond the booking horizon",
        "quota": f"{lease.company}'s quota is taken by then",
        "capacity": "what it runs on is promised to others, who cannot be placed elsewhere",
    }[found.obstacle]
    assert lease.ends_at is not None
    if not found.longest_s:
        return f"lease {lease.id} cannot be extended past {_rfc(lease.ends_at)}: {what}; ask for a new lease"
    longest = _rfc(lease.ends_at + found.longest_s)
    return f"lease {lease.id} cannot be extended until {_rfc(until)}: {what}; it can until {longest}, with `partly` or `longest`"


def _shrunk(case: _Case, body: wire.Shrink) -> Extended:
    lease = _smaller(case, body.size) if body.size is not None else _shorter(case, body)
    return Extended(lease=lease, book=case.book.put_lease(lease), moves=())


def _shorter(case: _Case, body: wire.Shrink) -> Lease:
    lease = case.lease
    assert lease.ends_at is not None
    assert lease.starts_at is not None
    until = from_wire(body.until) if body.until is not None else Instant(lease.ends_at - (body.by_s or 0))
    first = max(lease.starts_at, case.at) + 1
    if not first <= until < lease.ends_at:
        field = "until" if body.until is not None else "by_s"
        raise _invalid(
            field,
            f"the new end lies between {_rfc(first)} and the end, {_rfc(lease.ends_at)}, for example {_rfc(first)}",
        )
    return shorten(lease, until)


def _smaller(case: _Case, size: int) -> Lease:
    lease = case.lease
    if lease.state is not State.SCHEDULED:
        said = f"lease {lease.id} runs; what runs is shrunk in time alone: give an earlier end, or release it"
        raise WrongState(said, numbers={"state": lease.state.value})
    has = lease.shape.nodes if isinstance(lease.shape, Gang) else lease.gpus
    if size >= has:
        raise _invalid("size", f"the lease has {has}; give a smaller number, for example {max(1, has - 1)}")
    return lessen(lease, size)


def _written(
    service: Service, session: Session, case: _Case, found: Extended, *, event: str, actor: Actor
) -> wire.Amended:
    before = case.lease
    _write(service, session, case, found, event=event)
    audit.record(
        session,
        actor=actor,
        action=f"lease.{event}",
        subject=case.row.id,
        at=case.now,
        before={"ends_at": before.ends_at, "gpus": before.gpus},
        after={"ends_at": found.lease.ends_at, "gpus": found.lease.gpus},
    )
    session.flush()
    return _amended(session, case, found, actor)


def _write(service: Service, session: Session, case: _Case, found: Extended, *, event: str) -> None:
    decision = None if event == "shrunk" else _decided(session, case, found)
    newer = generation.bump(session, case.row.pool)
    made_way = [Move(before=before, after=after, cause=Cause.MADE_WAY) for before, after in found.moves]
    amended = Move(before=case.lease, after=found.lease, cause=Cause(event))
    plans.write_amended(session, case.row, amended, made_way, decision=decision, number=newer, at=case.now)
    service.books.keep_on_commit(session, case.row.pool, newer, found.book)


def _decided(session: Session, case: _Case, found: Extended) -> str:
    """Keeps from what the extension was made."""
    kept = record.of_extension(case.book, found, case.at)
    detail = sentences.extension(case.lease, found.lease, len(found.moves))
    said = Said(code="extended", detail=detail, numbers={"made_way": len(found.moves)})
    pool, decided_at = case.row.pool, case.number
    return plans.write_decision(session, case.book, kept, said, pool=pool, decided_at=decided_at, at=case.now)


def _amended(session: Session, case: _Case, found: Extended, actor: Actor) -> wire.Amended:
    before, after = case.lease, found.lease
    assert before.ends_at is not None
    assert after.ends_at is not None
    [shown] = leases.to_wires(session, [case.row])
    mine = [str(lease.id) for lease, _ in found.moves if actor.company in (None, lease.company)]
    return wire.Amended(
        lease=leases.with_end(shown, after),
        by_s=after.ends_at - before.ends_at,
        commit_gpu_seconds=after.gpus * after.duration_s - before.gpus * before.duration_s,
        made_way=mine,
        others=len(found.moves) - len(mine),
    )


def _invalid(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {message}", errors=[FieldError(field=field, message=message)])


def _rfc(instant: int) -> str:
    return to_wire(instant).isoformat().replace("+00:00", "Z")
