"""What is written down of every decision and every change of a lease, append-only, and how people see it."""

from collections.abc import Mapping

from sqlmodel import Session

from dure import wire
from scheduler.core import explain
from scheduler.core.model import Ask, Promise, Queued, Refusal, Verdict
from scheduler.store import bulk
from scheduler.store.tables import Decision, Lease, LeaseEvent
from scheduler.store.times import to_wire

Detail = Mapping[str, int | str | None]


def decision_row(found: wire.Decision, ask: Ask, *, lease: str, generation: int, request_id: str | None) -> bulk.Row:
    """A decision as it is stored."""
    return {
        "id": found.id,
        "at": int(found.at.timestamp()),
        "lease": lease,
        "company": ask.company,
        "pool": ask.pool,
        "generation": generation,
        "policy_version": found.policy_version,
        "outcome": found.outcome.value,
        "code": found.code,
        "detail": found.detail,
        "numbers": found.numbers,
        "request_id": request_id,
    }


def outcome(verdict: Verdict) -> wire.Outcome:
    match verdict:
        case Promise():
            return wire.Outcome.SCHEDULED
        case Queued():
            return wire.Outcome.QUEUED
        case Refusal():
            return wire.Outcome.REFUSED


def decision(verdict: Verdict, ask: Ask, *, id: str | None, policy_version: str, now: float) -> wire.Decision:
    """The decision as people see it; its id is None where nothing is stored."""
    return wire.Decision(
        id=id,
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
    """Writes down one thing that happened to a lease, with the state it left it in."""
    row = event_row(lease.id, event, state=lease.state, at=at, cause=cause, detail=detail)
    session.add(LeaseEvent(**row))


def event_row(
    lease: str, event: str, *, state: str, at: float, cause: str | None = None, detail: Detail | None = None
) -> bulk.Row:
    """The same as a row, for many at once."""
    return {
        "lease": lease,
        "at": int(at),
        "event": event,
        "state": state,
        "cause": cause,
        "detail": dict(detail or {}),
    }


def time(instant: int | None) -> str | None:
    """An instant in a detail: RFC 3339, in UTC."""
    return None if instant is None else to_wire(instant).isoformat().replace("+00:00", "Z")


def event_to_wire(row: LeaseEvent) -> wire.LeaseEvent:
    assert row.seq is not None
    return wire.LeaseEvent(
        seq=row.seq,
        lease=row.lease,
        at=to_wire(row.at),
        event=row.event,
        state=wire.LeaseState(row.state),
        cause=row.cause,
        detail=row.detail,
    )
