"""Why a lease is as it is: everything that happened to it in words, each with the decision that made it."""

from dure import wire
from scheduler import asks
from scheduler.actor import Actor
from scheduler.core import sentences
from scheduler.core.explain import placed
from scheduler.core.model import NodeId, Purpose
from scheduler.store import decisions, leases
from scheduler.store.db import Session
from scheduler.store.leases import Expected

MOST_STEPS = 1000
"""The first of them; a lease has a handful."""


def explain(session: Session, lease: str, *, actor: Actor, expected: Expected) -> wire.Explanation:
    """The lease and its steps. Raises UnknownLease."""
    found = leases.get(session, lease, actor=actor, expected=expected)
    said = {decision.id: decision.detail for decision in decisions.of_lease(session, lease)}
    events = leases.events(session, lease, actor=actor, after=None, limit=MOST_STEPS).items
    return wire.Explanation(lease=found, placed=_placed(found), steps=[_step(event, said) for event in events])


def _placed(lease: wire.Lease) -> str | None:
    placement = tuple((NodeId(share.node), share.gpus) for share in lease.placement)
    return placed(asks.shape(lease.shape), Purpose(lease.purpose), placement) if placement else None


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
