"""What is written down of every decision and every change of a lease, append-only, and how people see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from dure import wire
from scheduler.core import explain, record, sentences
from scheduler.core.elsewhere import Option
from scheduler.core.model import Ask, Cause, Drain, Policy, Promise, Queued, Refusal, Verdict
from scheduler.core.model import Lease as CoreLease
from scheduler.core.record import Record
from scheduler.store import bulk
from scheduler.store.tables import Decision, Lease, LeaseEvent
from scheduler.store.times import to_wire

Detail = Mapping[str, int | str | None]

NOT_KEPT = "not_kept"
"""The code in place of a decision that is older than decisions are kept."""


def decision_row(found: wire.Decision, ask: Ask, *, lease: str, generation: int, request_id: str | None) -> bulk.Row:
    """A decision about an ask as it is stored, without what it was made from."""
    return {
        "id": found.id,
        "at": int(found.at.timestamp()),
        "kind": record.ASK,
        "part_of": None,
        "lease": lease,
        "company": ask.company,
        "pool": ask.pool,
        "generation": generation,
        "policy_version": found.policy_version,
        "policy_number": found.policy_number,
        "outcome": found.outcome.value,
        "code": found.code,
        "detail": found.detail,
        "numbers": found.numbers,
        "elsewhere": [option.model_dump(mode="json") for option in found.elsewhere],
        "request_id": request_id,
        **_UNKEPT,
    }


_UNKEPT: bulk.Row = {"inputs": None, "inputs_digest": None, "result": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is said of a decision that is not about an ask: a code, a sentence and its numbers."""

    code: str
    detail: str
    numbers: Mapping[str, int | str]


def said_row(
    said: Said,
    *,
    id: str,
    pool: str,
    generation: int,
    policy: Policy,
    at: float,
    refused: CoreLease | None = None,
    request_id: str | None = None,
) -> bulk.Row:
    """A decision that is of no ask as it is stored, without what it was made from. `refused` is the lease whose change it
    refused; other decisions are about all whom they moved.
    """
    return {
        "id": id,
        "at": int(at),
        "kind": "",
        "part_of": None,
        "lease": None if refused is None else refused.id,
        "company": None if refused is None else refused.company,
        "pool": pool,
        "generation": generation,
        "policy_version": policy.version,
        "policy_number": policy.number,
        "outcome": None if refused is None else wire.Outcome.REFUSED.value,
        "code": said.code,
        "detail": said.detail,
        "numbers": dict(said.numbers),
        "elsewhere": [],
        "request_id": request_id,
        **_UNKEPT,
    }


def kept(rows: list[bulk.Row], found: Record) -> list[bulk.Row]:
    """What was decided together, of which the first row keeps from what and with what result."""
    head = rows[0] | {"inputs": found.inputs, "inputs_digest": found.digest, "result": found.result, "kind": found.kind}
    return [head, *(row | {"part_of": head["id"], "kind": found.kind} for row in rows[1:])]


def outcome(verdict: Verdict) -> wire.Outcome:
    match verdict:
        case Promise():
            return wire.Outcome.SCHEDULED
        case Queued():
            return wire.Outcome.QUEUED
        case Refusal():
            return wire.Outcome.REFUSED


def decision(
    verdict: Verdict, ask: Ask, *, id: str | None, policy: Policy, now: float, elsewhere: Sequence[Option] = ()
) -> wire.Decision:
    """The decision as people see it; its id is None where nothing is stored."""
    detail = explain.sentence(verdict, ask)
    if options := sentences.elsewhere(elsewhere):
        detail = f"{detail} {options}"
    return wire.Decision(
        id=id,
        at=to_wire(int(now)),
        outcome=outcome(verdict),
        code=verdict.code.value,
        detail=detail,
        numbers=dict(explain.wire_numbers(verdict)),
        policy_version=policy.version,
        policy_number=policy.number,
        elsewhere=[_option(option) for option in elsewhere],
    )


def _option(found: Option) -> wire.PoolOption:
    return wire.PoolOption(
        pool=found.pool,
        code=found.verdict.code.value,
        promised_start=to_wire(found.verdict.promised) if isinstance(found.verdict, Promise) else None,
        generation=found.generation,
        digest=found.digest,
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
        policy_number=row.policy_number,
        elsewhere=[wire.PoolOption.model_validate(option) for option in row.elsewhere],
    )


def refusal_to_wire(said: Said, *, id: str, policy: Policy, at: float) -> wire.Decision:
    """The refusal of a change as people see it."""
    return wire.Decision(
        id=id,
        at=to_wire(int(at)),
        outcome=wire.Outcome.REFUSED,
        code=said.code,
        detail=said.detail,
        numbers=dict(said.numbers),
        policy_version=policy.version,
        policy_number=policy.number,
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


def slipped(session: Session, lease: str) -> bool:
    """Whether the lease's promise ever got later, or was lost."""
    event = col(LeaseEvent.event)
    lost = (event == "queued") & (col(LeaseEvent.cause) != Cause.ASKED.value)
    query = select(LeaseEvent.seq).where(col(LeaseEvent.lease) == lease, (event == "slipped") | lost).limit(1)
    return session.exec(query).first() is not None


def last_cause(session: Session, lease: str, event: str) -> str | None:
    """With what cause the lease's newest event of that kind was told; None where there is none."""
    query = select(LeaseEvent.cause).where(col(LeaseEvent.lease) == lease, col(LeaseEvent.event) == event)
    return session.exec(query.order_by(col(LeaseEvent.seq).desc()).limit(1)).first()


def event_row(
    lease: CoreLease, event: str, *, at: float, cause: str | None = None, detail: Detail | None = None
) -> bulk.Row:
    """The same as a row, for many at once."""
    return {
        "company": lease.company,
        "pool": lease.pool,
        "lease": lease.id,
        "at": int(at),
        "event": event,
        "state": lease.state.value,
        "cause": cause,
        "promised_start": lease.promised_start,
        "starts_at": lease.starts_at,
        "stops_at": lease.stops_at,
        "detail": dict(detail or {}),
    }


def time(instant: int | None) -> str | None:
    """An instant in a detail: RFC 3339, in UTC."""
    return None if instant is None else to_wire(instant).isoformat().replace("+00:00", "Z")


OF_A_DRAIN = ("node", "drain", "drain_starts_at", "drain_ends_at", "reason")
"""What a detail says of a drain."""


def drain(found: Drain, reason: str | None) -> Detail:
    """A drain in a detail."""
    return {
        "node": found.node,
        "drain": found.id,
        "drain_starts_at": time(found.starts_at),
        "drain_ends_at": time(found.ends_at),
        "reason": reason,
    }


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


def forgotten(row: Lease) -> wire.Decision:
    """In place of a decision that is older than decisions are kept: what the lease itself says of it."""
    outcomes = {"refused": wire.Outcome.REFUSED, "queued": wire.Outcome.QUEUED}
    return wire.Decision(
        id=row.decision,
        at=to_wire(row.asked_at),
        outcome=outcomes.get(row.state, wire.Outcome.SCHEDULED),
        code=NOT_KEPT,
        detail="The decision is older than decisions are kept here; the lease, its events and its entries are not.",
        numbers={},
        policy_version="",
        policy_number=None,
        elsewhere=[],
    )
