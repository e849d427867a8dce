"""Maintenance: a node is taken out of service for a while, or given back. The pools it is in are planned again at once.

Works in the caller's transaction, under the locks of the node's pools.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from dure import wire
from dure.errors import BeyondHorizon, InvalidRequest, NotDrained
from dure.wire import FieldError
from scheduler.actor import Actor
from scheduler.core.codec import Item
from scheduler.core.model import Cause, Drain, Instant, Lease, NodeId, State
from scheduler.core.replan import Move, Plan
from scheduler.service import Service
from scheduler.store import audit, books, drains, fleet, nodes, pools, records, tables
from scheduler.store import leases as stored
from scheduler.store.db import Session
from scheduler.store.times import from_wire, to_wire


def drain(
    service: Service, session: Session, node: str, body: wire.DrainNode, *, actor: Actor, now: float
) -> wire.Drained:
    """Takes the node out of service. What is scheduled on it then goes elsewhere; what runs goes on to its end.

    Raises UnknownNode, InvalidRequest, BeyondHorizon.
    """
    nodes.row(session, node)
    window = _window(body, now)
    touched = fleet.lock_pools_of(session, node)
    row = drains.add(session, node, starts_at=window.start, ends_at=window.stop, reason=body.reason, now=now)
    plans = {pool: service.replan(session, pool, now=now, queue=False, items=[books.drain(row)]) for pool in touched}
    running = _running(plans.values(), [row])
    for lease in running:
        detail = {"node": node, "starts_at": records.time(row.starts_at), "ends_at": records.time(row.ends_at)}
        told = stored.row(session, lease.id, actor=actor)
        records.event(session, told, "drain_notice", at=now, cause="drain", detail=detail | {"reason": body.reason})
    audit.record(session, actor=actor, action="node.drain", subject=node, at=now, after=body.model_dump(mode="json"))
    session.flush()
    return _drained([row], plans, running)


def preview_drain(service: Service, session: Session, node: str, body: wire.DrainNode, *, now: float) -> wire.Drained:
    """What `drain` would do; nothing is changed. Raises what it raises."""
    nodes.row(session, node)
    window = _window(body, now)
    row = tables.Drain(
        id="drn_dry_run",
        node=node,
        starts_at=window.start,
        ends_at=window.stop,
        reason=body.reason,
        created_at=int(now),
    )
    plans = _seen(service, session, node, [books.drain(row)], now)
    return _drained([row], plans, _running(plans.values(), [row]))


def resume(service: Service, session: Session, node: str, *, actor: Actor, now: float) -> wire.Drained:
    """Gives the node back now: every drain of it that is not over ends. Raises UnknownNode, NotDrained."""
    nodes.row(session, node)
    touched = fleet.lock_pools_of(session, node)
    rows = drains.open_of(session, [node], now=now)
    if not rows:
        raise NotDrained(f"node {node} is not drained; `dure node show {node}` shows what is planned for it")
    for row in rows:
        row.ends_at, row.resumed_at = max(row.starts_at, int(now)), int(now)
        session.add(row)
    session.flush()
    items = [books.drain(row) for row in rows]
    plans = {pool: service.replan(session, pool, now=now, queue=True, items=items) for pool in touched}
    audit.record(session, actor=actor, action="node.resume", subject=node, at=now)
    session.flush()
    return _drained(rows, plans, [])


def label(session: Session, node: str, body: wire.NodeLabels, *, actor: Actor, now: float) -> wire.Node:
    """Says where the node stands. What is placed stays. Raises UnknownNode."""
    row = nodes.row(session, node)
    touched = fleet.lock_pools_of(session, node)
    before = {"rack": row.rack, "island": row.island}
    row.rack, row.island = body.rack, body.island
    session.add(row)
    session.flush()
    fleet.recount(session, pools=touched, nodes=[node], now=now)
    audit.record(
        session, actor=actor, action="node.label", subject=node, at=now, before=before, after=body.model_dump()
    )
    return nodes.get(session, node, now=now)


def set_policy(
    service: Service, session: Session, pool: str, body: wire.PoolPolicy, *, actor: Actor, now: float
) -> wire.Pool:
    """Changes how the pool promises; what is promised stays. Raises UnknownPool."""
    row, before = pools.set_policy(session, pool, body)
    service.replan(session, pool, now=now, items=[books.policy(row)])
    audit.record(
        session, actor=actor, action="pool.policy", subject=pool, at=now, before=before, after=body.model_dump()
    )
    session.flush()
    return pools.get(session, pool)


def _window(body: wire.DrainNode, now: float) -> range:
    at = math.ceil(now)
    start = at if body.start is None else from_wire(body.start)
    if start < at:
        message = f"{_rfc(start)} is past; leave it out to drain from now on, for example {_rfc(at)}"
        raise InvalidRequest(f"start: {message}", errors=[FieldError(field="start", message=message)])
    if start + body.duration_s > at + wire.HORIZON_S:
        last = _rfc(at + wire.HORIZON_S)
        message = f"the drain would end after the calendar's {wire.HORIZON_S // 86400} days; end it before {last}"
        raise BeyondHorizon(message, errors=[FieldError(field="duration_s", message=message)])
    return range(start, start + body.duration_s)


def _seen(service: Service, session: Session, node: str, items: Sequence[Item], now: float) -> dict[str, Plan]:
    return {
        pool: service.seen(session, pool, now=now, queue=False, items=items) for pool in fleet.pools_of(session, node)
    }


def _running(plans: Iterable[Plan], rows: Sequence[tables.Drain]) -> list[Lease]:
    """Active leases on the node that go on into a drain, the first to stop first."""
    windows: list[Drain] = [books.drain(row) for row in rows]
    found = [
        lease
        for plan in plans
        for lease in plan.book.leases.values()
        if lease.state in (State.ACTIVE, State.ENDING) and any(_goes_into(lease, window) for window in windows)
    ]
    return sorted(found, key=lambda lease: (lease.stops_at or 0, lease.id))


def _goes_into(lease: Lease, window: Drain) -> bool:
    on = any(node == NodeId(window.node) for node, _ in lease.placement)
    return on and (lease.stops_at or 0) > window.starts_at and (lease.starts_at or 0) < window.ends_at


def _drained(rows: Sequence[tables.Drain], plans: Mapping[str, Plan], running: Sequence[Lease]) -> wire.Drained:
    moves = [move for plan in plans.values() for move in plan.moves]
    gaps = {pool: plan.book.policy.gap_s for pool, plan in plans.items()}
    last = max((Instant((lease.stops_at or 0) + gaps[lease.pool]) for lease in running), default=None)
    return wire.Drained(
        drains=[drains.to_wire_drain(row) for row in rows],
        moved=[_touched(move) for move in moves],
        running=[_touched(Move(before=lease, after=lease, cause=Cause.DRAIN)) for lease in running],
        empty_from=to_wire(last),
    )


def _touched(move: Move) -> wire.Touched:
    before, after = move.before, move.after
    return wire.Touched(
        lease=after.id,
        company=after.company,
        pool=after.pool,
        state=wire.LeaseState(after.state.value),
        starts_at_before=to_wire(before.starts_at),
        starts_at=to_wire(after.starts_at),
        promised_start_before=to_wire(before.promised_start),
        promised_start=to_wire(after.promised_start),
        slipped_s=move.slipped_s,
    )


def _rfc(instant: int) -> str:
    return to_wire(instant).isoformat().replace("+00:00", "Z")
