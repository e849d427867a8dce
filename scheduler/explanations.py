"""Why a lease is as it is: everything that happened to it in words, each with the decision that made it."""

from collections.abc import Iterable, Sequence
from itertools import takewhile

from dure import wire
from scheduler import asks
from scheduler.actor import Actor
from scheduler.core import record, sentences
from scheduler.core.explain import placed
from scheduler.core.model import NodeId, Purpose
from scheduler.store import decisions, shown_leases
from scheduler.store.db import Session
from scheduler.store.shown_leases import Expected
from scheduler.store.tables import Decision
from scheduler.store.times import to_wire

MOST_STEPS = 1000
"""The first of them; a lease has a handful."""

CHANGES = frozenset({record.EXTEND, record.RESIZE})
"""Kinds of decisions which are about a lease alone when they refuse."""


def explain(session: Session, lease: str, *, actor: Actor, expected: Expected) -> wire.Explanation:
    """The lease and its steps. Raises UnknownLease."""
    found = shown_leases.get(session, lease, actor=actor, expected=expected)
    about = decisions.of_lease(session, lease)
    said = {decision.id: decision.detail for decision in about}
    events = shown_leases.events(session, lease, actor=actor, after=None, limit=MOST_STEPS).items
    told = [_step(event, said) for event in events]
    named = {step.decision for step in told}
    refused = [_refusal(one) for one in about if one.kind in CHANGES and one.id not in named]
    return wire.Explanation(lease=found, placed=_placed(found), steps=ordered(told, refused[:MOST_STEPS]))


def ordered(told: Sequence[wire.Step], refused: Iterable[wire.Step]) -> list[wire.Step]:
    """Refused changes among what was told, both oldest first.

    Times are whole seconds. Within one, a refusal has the state in which the lease was refused, and comes while what was
    told left it in that; decisions' ids grow.
    """
    steps = list(told)
    for one in refused:
        steps.insert(_place(steps, one), one)
    return steps


def _place(steps: Sequence[wire.Step], one: wire.Step) -> int:
    first = sum(1 for _ in takewhile(lambda step: step.at < one.at, steps))
    last = first + sum(1 for _ in takewhile(lambda step: step.at == one.at, steps[first:]))
    newer = (at for at in range(first, last) if (steps[at].decision or "") > (one.decision or ""))
    last = next(newer, last)
    fitting = (at for at in range(last, first - 1, -1) if at and steps[at - 1].state is one.state)
    return next(fitting, last)


def _placed(lease: wire.Lease) -> str | None:
    placement = tuple((NodeId(share.node), share.gpus) for share in lease.placement)
    return placed(asks.shape(lease.shape), Purpose(lease.purpose), placement) if placement else None


def _refusal(found: Decision) -> wire.Step:
    """A change that was asked for and refused, in the state that the lease had; no event tells it, as it was answered."""
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
