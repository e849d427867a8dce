"""What can be done to a lease after it was promised: more time, less of it, and another size.

Works in the caller's transaction and decides under the pool's lock, as `scheduler.service` does. What is refused is
answered with the problem, not raised, so that the decision is committed. Each has a preview, which works on what a snapshot
shows, changes nothing, and raises that problem.
"""

from dure import wire
from dure.errors import DureError, InvalidRequest
from scheduler import case as cases
from scheduler import refusals, sizes
from scheduler.actor import Actor
from scheduler.case import Case, Change
from scheduler.core import words
from scheduler.core.extend import NotExtended, closed_at, extend
from scheduler.core.lease import sized_since, stretched
from scheduler.core.model import Instant
from scheduler.refusals import Declined
from scheduler.service import Service
from scheduler.store import audit, records
from scheduler.store.db import Session
from scheduler.store.times import from_wire


def extended(
    service: Service, session: Session, lease_id: str, body: wire.Extend, *, actor: Actor, now: float
) -> wire.Amended | DureError:
    """Extends a lease, or says why not: TooLateToExtend, ExtensionRefused. Raises UnknownLease, WrongState, InvalidRequest."""
    case = cases.locked(service, session, lease_id, actor, now)
    change = _extension(session, case, body)
    if isinstance(change, Declined):
        return refusals.answer(session, change, wire.AuditAction.LEASE_EXTEND, actor)
    cases.write(service, session, case, change, "extended")
    return _audited(session, case, change, wire.AuditAction.LEASE_EXTEND, actor)


def preview_extended(
    service: Service, session: Session, lease_id: str, body: wire.Extend, *, actor: Actor, now: float
) -> wire.Amended:
    """What `extended` would do. Raises what it raises or answers."""
    case = cases.seen(service, session, lease_id, actor, now)
    return _shown(session, case, _extension(session, case, body), actor)


def shrunk(
    service: Service, session: Session, lease_id: str, body: wire.Shrink, *, actor: Actor, now: float
) -> wire.Amended | DureError:
    """Gives back a part of a lease, or says why not: ResizeRefused. Raises UnknownLease, WrongState, InvalidRequest."""
    case = cases.locked(service, session, lease_id, actor, now)
    change = _shrunk(case, body)
    if isinstance(change, Declined):
        return refusals.answer(session, change, wire.AuditAction.LEASE_SHRINK, actor)
    if change.lease.ends_at != case.lease.ends_at:
        case.row.renew_s = None
    sizes.give_back(session, case, change)
    cases.write(service, session, case, change, "shrunk")
    return _audited(session, case, change, wire.AuditAction.LEASE_SHRINK, actor)


def preview_shrunk(
    service: Service, session: Session, lease_id: str, body: wire.Shrink, *, actor: Actor, now: float
) -> wire.Amended:
    """What `shrunk` would do. Raises what it raises or answers."""
    case = cases.seen(service, session, lease_id, actor, now)
    return _shown(session, case, _shrunk(case, body), actor)


def resized(
    service: Service, session: Session, lease_id: str, body: wire.Resize, *, actor: Actor, now: float
) -> wire.Amended | DureError:
    """Makes a lease larger or smaller, or says why not: ResizeRefused. Raises UnknownLease, WrongState, InvalidRequest."""
    case = cases.locked(service, session, lease_id, actor, now)
    ready = sizes.ready(session, case)
    change = sizes.resized(cases.open_to_change(case), body, ready)
    if isinstance(change, Declined):
        return refusals.answer(session, change, wire.AuditAction.LEASE_RESIZE, actor)
    sizes.give_back(session, case, change)
    sizes.take(session, case, change, ready)
    cases.write(service, session, case, change, "resized")
    return _audited(session, case, change, wire.AuditAction.LEASE_RESIZE, actor)


def preview_resized(
    service: Service, session: Session, lease_id: str, body: wire.Resize, *, actor: Actor, now: float
) -> wire.Amended:
    """What `resized` would do. Raises what it raises or answers."""
    case = cases.seen(service, session, lease_id, actor, now)
    change = sizes.resized(cases.open_to_change(case), body, sizes.ready(session, case))
    return _shown(session, case, change, actor)


def _shown(session: Session, case: Case, change: Change | Declined, actor: Actor) -> wire.Amended:
    if isinstance(change, Declined):
        raise change.error(actor)
    return cases.shown(session, case, change, actor)


def _audited(session: Session, case: Case, change: Change, action: wire.AuditAction, actor: Actor) -> wire.Amended:
    before, after = case.lease, change.lease
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=case.row.id,
        at=case.now,
        before={"ends_at": records.time(before.ends_at), "gpus": before.gpus},
        after={"ends_at": records.time(after.ends_at), "gpus": after.gpus},
    )
    session.flush()
    return cases.shown(session, case, change, actor)


def _extension(session: Session, case: Case, body: wire.Extend) -> Change | Declined:
    if not case.row.extendable:
        raise refusals.never_extended(case.row.id)
    closed = closed_at(case.lease, case.book.policy, Instant(int(case.now)))
    if closed is not None:
        return refusals.closed(case, _until(case, body), closed)
    case = cases.open_to_change(case)
    until, partly = _until(case, body), body.partly or body.longest
    if until <= case.ends_at:
        raise InvalidRequest.about(
            "until", f"the lease ends at {words.time(case.ends_at)} already; give a later time, or shrink it"
        )
    found = extend(case.book, case.lease.id, until, case.at, partly=partly, rivals=case.rivals)
    if isinstance(found, NotExtended):
        return refusals.extension(session, case, found, until, partly=partly)
    return cases.extension(case, found, until, partly=partly)


def _until(case: Case, body: wire.Extend) -> Instant:
    if body.until is not None:
        return from_wire(body.until)
    return Instant(case.ends_at + (wire.HORIZON_S if body.by_s is None else body.by_s))


def _shrunk(case: Case, body: wire.Shrink) -> Change | Declined:
    case = cases.open_to_change(case)
    if body.nodes is not None or body.gpus is not None:
        return sizes.smaller(case, sizes.wanted(case, nodes=body.nodes, gpus=body.gpus))
    until = from_wire(body.until) if body.until is not None else Instant(case.ends_at - (body.by_s or 0))
    # A box has a second at least, and what was already had is not given back.
    first = max(case.lease.starts_at or 0, case.at, sized_since(case.lease)) + 1
    if not first <= until < case.ends_at:
        field = "until" if body.until is not None else "by_s"
        raise InvalidRequest.about(
            field,
            f"the new end lies between {words.time(first)} and the end, {words.time(case.ends_at)}, for example {words.time(first)}",
        )
    after = stretched(case.lease, until)
    return Change(lease=after, book=case.book.put_lease(after))
