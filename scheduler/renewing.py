"""Renewal: whether an inference lease is extended by itself, and doing it."""

from dure import wire
from dure.errors import TooLateToExtend, WrongState
from scheduler import case as cases
from scheduler import refusals
from scheduler.actor import Actor
from scheduler.case import Case
from scheduler.core import words
from scheduler.core.extend import EXTENDABLE, NotExtended, closed, closed_at, extend
from scheduler.core.model import Instant, Lease, State
from scheduler.refusals import Declined
from scheduler.service import Service
from scheduler.store import audit, shown_leases, tables
from scheduler.store.db import Session


def renewing(
    service: Service, session: Session, lease_id: str, body: wire.Renewal, *, actor: Actor, now: float
) -> wire.Lease:
    """Says whether a lease renews itself, by the length that it was asked for.

    Raises UnknownLease, WrongState, TooLateToExtend.
    """
    case = cases.locked(service, session, lease_id, actor, now)
    row = case.row
    if body.renew:
        _may_renew(case)
    row.renew_s = row.asked_s if body.renew else None
    row.renewal_refused_at = None
    session.add(row)
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.LEASE_RENEWAL,
        subject=row.id,
        at=case.now,
        after=body.model_dump(),
    )
    session.flush()
    return shown_leases.to_wires(session, [row], service.expectations.of(session, case.now))[0]


def _may_renew(case: Case) -> None:
    row = case.row
    if not row.extendable:
        raise refusals.never_extended(row.id)
    if case.lease.is_spot:
        raise WrongState(f"lease {row.id} is spot, which is given no other end", numbers={"state": row.state})
    if case.lease.state not in {*EXTENDABLE, State.QUEUED} or row.purpose != "inference":
        said = f"lease {row.id} is {row.state} and for {row.purpose}; only inference leases that are not over renew themselves"
        raise WrongState(said, numbers={"state": row.state, "purpose": row.purpose})
    if case.lease.state is State.ACTIVE and closed(case.lease, case.book.policy, Instant(int(case.now))):
        said = f"extending lease {row.id} has closed, so it ends at {words.time(case.ends_at)}; ask for a new lease"
        raise TooLateToExtend(said, numbers={"ends_at": words.time(case.ends_at)})


def renew(service: Service, session: Session, row: tables.Lease, lease: Lease, *, now: float) -> Declined | None:
    """Extends a lease that renews itself: by its length, else as far as possible; or says why not, where it is not.

    The caller holds the pool's lock.
    """
    number, book, now = service.locked(session, row.pool, now)
    assert row.renew_s is not None
    rivals = cases.rivals(session, book, row.pool)
    case = Case(row=row, lease=book.leases[lease.id], book=book, number=number, now=now, rivals=rivals)
    until = case.ends_at + row.renew_s
    closed = closed_at(case.lease, book.policy, Instant(int(now)))
    if closed is not None:
        return refusals.closed(case, until, closed, missed=True)
    found = extend(book, lease.id, until, case.at, partly=True, rivals=rivals)
    if isinstance(found, NotExtended):
        return refusals.extension(session, case, found, until, partly=True, verb="renewed")
    cases.write(service, session, case, cases.extension(case, found, until, partly=True), "renewed")
    return None
