"""Why a lease is as it is: everything that happened to it in words, each with the decision that made it."""

from datetime import datetime
from heapq import merge

from dure import wire
from scheduler import asks
from scheduler.actor import Actor
from scheduler.core import record, sentences
from scheduler.core.explain import placed
from scheduler.core.model import NodeId, Purpose
from scheduler.store import decisions, leases
from scheduler.store.db import Session
from scheduler.store.leases import Expected
from scheduler.store.tables import Decision
from scheduler.store.times import to_wire

MOST_STEPS = 1000
"""The first of them; a lease has a handful."""

CHANGES = frozenset({record.EXTEND, record.RESIZE})
"""Kinds of decisions which are about a lease alone when they refuse."""


def explain(session: Session, lease: str, *, actor: Actor, expected: Expected) -> wire.Explanation:
    """The lease and its steps. Raises UnknownLease."""
    found = leases.get(session, lease, actor=actor, expected=expected)
    about = decisions.of_lease(session, lease)
    said = {decision.id: decision.detail for decision in about}
    events = leases.events(session, lease, actor=actor, after=None, limit=MOST_STEPS).items
    told = [_step(event, said) for event in events]
    named = {step.decision for step in told}
    refused = [_refusal(one) for one in about if one.kind in CHANGES and one.id not in named]
    return wire.Explanation(
        lease=found, placed=_placed(found), steps=list(merge(told, refused[:MOST_STEPS], key=_order))
    )


def _placed(lease: wire.Lease) -> str | None:
    placement = tuple((NodeId(share.node), share.gpus) for share in lease.placement)
    return placed(asks.shape(lease.shape), Purpose(lease.purpose), placement) if placement else None


def _order(step: wire.Step) -> tuple[datetime, str]:
    """In one second by their decisions, whose ids grow; what no decision made comes first."""
    return step.at, step.decision or ""


def _refusal(found: Decision) -> wire.Step:
    """A change that was asked for and refused; no event tells it, as it was answered."""
    [lease] = record.loads(found.result or "{}")["refused"]
    return wire.Step(
        at=to_wire(found.at),
        event=found.code,
        state=wire.LeaseState(lease["was"]),
        cause=None,
        detail=found.detail,
        decision=found.id,
    )


def _step(event: wire.LeaseEvent, said: dict[str, str]) -> wire.Step:
    decision = event.detail.get("decision")
    told = said.get(str(decision)) or sentences.happened(event.event, event.cause, event.detail)
    return wire.Step(
        at=event.at,
        event=event.event,
        state=event.state,
        cause=event.cause,
        detail=told,
        decision=None if decision is None else str(decision),
    )
