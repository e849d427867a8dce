"""What is written down of every decision and every change of a lease, append-only, and how people see it."""

from collections.abc import Mapping

from sqlmodel import Session

from dure import wire
from scheduler.core import explain
from scheduler.core.model import Ask, Promise, Queued, Refusal, Verdict
from scheduler.ids import new_id
from scheduler.store.tables import Decision, Lease, LeaseEvent
from scheduler.store.times import to_wire

Detail = Mapping[str, int | str | None]


def decision(
    session: Session,
    verdict: Verdict,
    ask: Ask,
    *,
    lease: str,
    generation: int,
    policy_version: str,
    now: float,
    request_id: str | None,
) -> Decision:
    """Stores a decision in the caller's transaction."""
    row = Decision(
        id=new_id("dec", now),
        at=int(now),
        lease=lease,
        company=ask.company,
        pool=ask.pool,
        generation=generation,
        policy_version=policy_version,
        outcome=outcome(verdict).value,
        code=verdict.code.value,
        detail=explain.sentence(verdict, ask),
        numbers=dict(explain.wire_numbers(verdict)),
        request_id=request_id,
    )
    session.add(row)
    return row


def code(session: Session, lease: Lease) -> str:
    """The code of the lease's newest decision."""
    return session.get_one(Decision, lease.decision).code


def outcome(verdict: Verdict) -> wire.Outcome:
    match verdict:
        case Promise():
            return wire.Outcome.SCHEDULED
        case Queued():
            return wire.Outcome.QUEUED
        case Refusal():
            return wire.Outcome.REFUSED


def dry_decision(verdict: Verdict, ask: Ask, *, policy_version: str, now: float) -> wire.Decision:
    """The decision as it would be stored, without storing it."""
    return wire.Decision(
        id=None,
        at=to_wire(int(now)),
        outcome=outcome(verdict),
        code=verdict.code.value,
        detail=explain.sentence(verdict, ask),
        numbers=dict(explain.wire_numbers(verdict)),
        policy_version=policy_version,
    )


def decision_to_wire(row: Decision) -> wire.Decision:
    return wire.Decision(
        id=row.id,
        at=to_wire(row.at),
        outcome=wire.Outcome(row.outcome),
        code=row.code,
        detail=row.detail,
        numbers=row.numbers,
        policy_version=row.policy_version,
    )


def event(
    session: Session, lease: Lease, event: str, *, at: float, cause: str | None = None, detail: Detail | None = None
) -> None:
    """Writes down one thing that happened to a lease, with the state and the times it left it with.

    This is the outbox too: with the commit, webhooks and event streams tell it to the lease's company.
    """
    session.add(
        LeaseEvent(
            company=lease.company,
            pool=lease.pool,
            lease=lease.id,
            at=int(at),
            event=event,
            state=lease.state,
            cause=cause,
            promised_start=lease.promised_start,
            starts_at=lease.starts_at,
            stops_at=lease.stops_at,
            detail=dict(detail or {}),
        )
    )


def event_to_wire(row: LeaseEvent) -> wire.LeaseEvent:
    assert row.seq is not None
    assert row.lease is not None
    return wire.LeaseEvent(
        seq=row.seq,
        lease=row.lease,
        at=to_wire(row.at),
        event=row.event,
        state=wire.LeaseState(row.state),
        cause=row.cause,
        detail=row.detail,
    )
