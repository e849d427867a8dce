"""Decisions looked up, for who may see them: an admin all, a company those about it, without other companies' names."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from dure import wire
from dure.errors import UnknownDecision
from scheduler.actor import Actor
from scheduler.core import codec, record
from scheduler.store import decisions
from scheduler.store.db import Session
from scheduler.store.tables import Decision
from scheduler.store.times import to_wire

MOST_SHOWN = 500
"""Of whom a decision looked at, as many are shown; a plan may look at thousands."""

Json = Mapping[str, Any]


def show(session: Session, decision: str, *, actor: Actor) -> wire.DecisionRecord:
    """The decision in full. Raises UnknownDecision."""
    found, head = visible(session, decision, actor)
    order = [] if head.inputs is None or head.result is None else list(_order(head, actor))
    inputs: Json = {} if head.inputs is None else record.loads(head.inputs)
    known = actor.company in (None, found.company) or found.company is None
    return wire.DecisionRecord(
        id=found.id,
        kind=found.kind,
        part_of=found.part_of,
        at=to_wire(found.at),
        pool=found.pool,
        generation=found.generation,
        lease=found.lease if known else None,
        company=found.company if known else None,
        outcome=wire.Outcome(found.outcome) if known and found.outcome is not None else None,
        code=found.code if known else found.kind,
        detail=found.detail if known else "Another company's ask; what it did to your leases is below.",
        numbers=found.numbers if known else {},
        elsewhere=[wire.PoolOption.model_validate(option) for option in found.elsewhere] if known else [],
        policy_version=found.policy_version,
        policy_number=found.policy_number,
        policy=inputs.get("policy", {}),
        now=to_wire(inputs["now"]) if inputs else None,
        inputs_digest=head.inputs_digest,
        result_digest=None if head.result is None else digest(head.result),
        order=order[:MOST_SHOWN],
        order_more=max(0, len(order) - MOST_SHOWN),
    )


def visible(session: Session, decision: str, actor: Actor) -> tuple[Decision, Decision]:
    """The decision and the one that keeps its inputs. Raises UnknownDecision, the same where there is none."""
    rows = decisions.get(session, decision)
    if rows is None or not _may_see(actor, *rows):
        raise UnknownDecision(f"there is no decision {decision} of yours; `dure lease explain LEASE` shows a lease's")
    return rows


def digest(result: str) -> str:
    """What stands for the bytes of a result."""
    return sha256(result.encode()).hexdigest()


def _may_see(actor: Actor, found: Decision, head: Decision) -> bool:
    if actor.company is None or found.company == actor.company:
        return True
    return found is head and head.inputs is not None and any(one.company is not None for one in _order(head, actor))


def _order(head: Decision, actor: Actor) -> Iterator[wire.Tried]:
    """Whom it looked at, in order, others than the actor's own without their names."""
    assert head.inputs is not None
    assert head.result is not None
    inputs, result = record.loads(head.inputs), record.loads(head.result)
    for one in _tried(inputs, result):
        yield one if actor.company in (None, one.company) else _nameless(one)


def _tried(inputs: Json, result: Json) -> Iterator[wire.Tried]:
    """The parts that results of every kind are made of: `core.record` writes them."""
    asks = {found["id"]: found for found in (*inputs.get("asks", ()), *inputs.get("queue", ()))}
    for lease, verdict in result.get("asks", ()):
        yield _asked(asks[lease], verdict, was=None)
    for move in result.get("moves", ()):
        yield _moved(move)
    for lease in result.get("refused", ()):
        yield _refused(lease)
    pulled, waits = dict(result.get("pulled", ())), dict(result.get("waits", ()))
    for lease, ask in asks.items():
        if lease in pulled:
            yield _asked(ask, pulled[lease], was=wire.LeaseState.QUEUED)
        elif lease in waits:
            yield _asked(ask, {"got": "queued", "code": waits[lease]}, was=wire.LeaseState.QUEUED)


def _asked(ask: Json, verdict: Json, *, was: wire.LeaseState | None) -> wire.Tried:
    return wire.Tried(
        lease=ask["id"],
        company=ask["company"],
        gpus=codec.decode_shape(ask["shape"]).gpus,
        was=was,
        got=wire.LeaseState(verdict["got"]),
        code=verdict["code"],
        cause=None,
        before=None,
        after=_slot(verdict if "starts_at" in verdict else None),
    )


def _moved(move: Json) -> wire.Tried:
    return wire.Tried(
        lease=move["id"],
        company=move["company"],
        gpus=move["gpus"],
        was=wire.LeaseState(move["was"]),
        got=wire.LeaseState(move["got"]),
        code=None,
        cause=move["cause"],
        before=_slot(move["from"]),
        after=_slot(move["to"]),
    )


def _refused(lease: Json) -> wire.Tried:
    """It stays as it was."""
    state, slot = wire.LeaseState(lease["was"]), _slot(lease["from"])
    return wire.Tried(
        lease=lease["id"],
        company=lease["company"],
        gpus=lease["gpus"],
        was=state,
        got=state,
        code=lease["code"],
        cause=lease.get("in_the_way"),
        before=slot,
        after=slot,
    )


def _slot(found: Json | None) -> wire.Slot | None:
    if found is None:
        return None
    return wire.Slot(
        promised_start=to_wire(found["promised_start"]),
        starts_at=to_wire(found["starts_at"]),
        ends_at=to_wire(found["ends_at"]),
        placement=[wire.NodeShare(node=node, gpus=gpus) for node, gpus in found["placement"]],
    )


def _nameless(one: wire.Tried) -> wire.Tried:
    hidden = {"lease": None, "company": None, "code": None, "cause": None}
    slots = {
        name: None if slot is None else slot.model_copy(update={"placement": []})
        for name, slot in (("before", one.before), ("after", one.after))
    }
    return one.model_copy(update=hidden | slots)
