"""Maintenance: a node is taken out of service for a while, or given back. The pools it is in are planned again at once.

Works in the caller's transaction, under the locks of the node's pools.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dure import wire
from dure.errors import BeyondHorizon, InvalidRequest, NotDrained, TooMany
from dure.wire import FieldError
from scheduler.actor import Actor
from scheduler.core import words
from scheduler.core.book import Book
from scheduler.core.codec import Item
from scheduler.core.model import Cause, Drain, Instant, Lease, NodeId, State
from scheduler.core.replan import Plan
from scheduler.service import Service
from scheduler.store import audit, bulk, drains, fleet, nodes, records, tables
from scheduler.store.db import Session
from scheduler.store.times import from_wire
from scheduler.touched import touched

MOST = 100
"""Drains of one node that are planned at once: far more than anybody plans, and far fewer than the calendar can count."""

AGAIN_S = 60
"""A drain from now on that is said again within so long is the one that is there, though it would end that much later."""


def drain(
    service: Service, session: Session, node: str, body: wire.DrainNode, *, actor: Actor, now: float
) -> wire.Drained:
    """Takes the node out of service. What is scheduled on it then goes elsewhere; what runs goes on to its end.

    Where a drain for that reason takes all of that time already, or this one was said less than a minute ago, that one is answered
    and nothing is done.
    Raises UnknownNode, InvalidRequest, BeyondHorizon, TooMany.
    """
    nodes.row(session, node)
    window = _window(body, now)
    touched = fleet.hold_pools_of(session, node)
    there = _there(session, node, body, now)
    if there is not None:
        return _already(service, session, there, now)
    row = drains.add(session, node, starts_at=window.start, ends_at=window.stop, reason=body.reason, now=now)
    plans = {pool: service.replan(session, pool, now=now, queue=False, items=[drains.to_core(row)]) for pool in touched}
    windows = [drains.to_core(row)]
    running = _running(_books(plans), windows)
    _tell(session, running, row, now, event="drain_notice")
    audit.record(session, actor=actor, action=wire.AuditAction.NODE_DRAIN, subject=node, at=now, after=_kept(row))
    session.flush()
    return _drained(session, [row], plans, running, now)


def preview_drain(service: Service, session: Session, node: str, body: wire.DrainNode, *, now: float) -> wire.Drained:
    """What `drain` would do; nothing is changed. Raises what it raises."""
    nodes.row(session, node)
    window = _window(body, now)
    there = _there(session, node, body, now)
    if there is not None:
        return _already(service, session, there, now)
    row = tables.Drain(
        id="drn_dry_run",
        node=node,
        starts_at=window.start,
        ends_at=window.stop,
        reason=body.reason,
        created_at=int(now),
    )
    windows = [drains.to_core(row)]
    plans = _seen(service, session, node, windows, now, queue=False)
    return _drained(session, [row], plans, _running(_books(plans), windows), now)


def resume(service: Service, session: Session, node: str, *, actor: Actor, now: float) -> wire.Drained:
    """Gives the node back now: every drain of it that is not over ends. Raises UnknownNode, NotDrained."""
    nodes.row(session, node)
    touched = fleet.hold_pools_of(session, node)
    rows = _open(session, node, now)
    windows = [drains.to_core(row) for row in rows]
    before = [_kept(row) for row in rows]
    ended = [_ended(row, now) for row in rows]
    session.flush()
    items = [drains.to_core(row) for row in ended]
    plans = {pool: service.replan(session, pool, now=now, queue=True, items=items) for pool in touched}
    running = _running(_books(plans), windows)
    for row in ended:
        _tell(session, running, row, now, event="drain_lifted")
    audit.record(
        session,
        actor=actor,
        action=wire.AuditAction.NODE_RESUME,
        subject=node,
        at=now,
        before={"drains": before},
        after={"drains": [_kept(row) for row in ended]},
    )
    session.flush()
    return _drained(session, ended, plans, running, now)


def preview_resume(service: Service, session: Session, node: str, *, now: float) -> wire.Drained:
    """What `resume` would do; nothing is changed. Raises what it raises."""
    nodes.row(session, node)
    rows = _open(session, node, now)
    windows = [drains.to_core(row) for row in rows]
    ended = [_ended(tables.Drain(**row.model_dump()), now) for row in rows]
    plans = _seen(service, session, node, [drains.to_core(row) for row in ended], now, queue=True)
    return _drained(session, ended, plans, _running(_books(plans), windows), now)


def _window(body: wire.DrainNode, now: float) -> range:
    at = math.ceil(now)
    start = at if body.start is None else from_wire(body.start)
    if start < at:
        message = f"{words.time(start)} is past; leave it out to drain from now on"
        raise InvalidRequest.about("start", message)
    if start + body.duration_s > at + wire.HORIZON_S:
        last = words.time(at + wire.HORIZON_S)
        message = f"the drain would end after the calendar's {wire.HORIZON_S // 86400} days; end it before {last}"
        raise BeyondHorizon(message, errors=[FieldError(field="duration_s", message=message)])
    return range(start, start + body.duration_s)


def _there(session: Session, node: str, body: wire.DrainNode, now: float) -> tables.Drain | None:
    """A drain of the node that takes all of that time, for that reason if one is said, or that is this one said before: another one
    would change nothing, or nothing that is meant.

    Raises TooMany where there is none, and no room for another.
    """
    window, found = _window(body, now), drains.open_of(session, [node], now=now)
    for row in found:
        whole = row.starts_at <= window.start and window.stop <= row.ends_at and body.reason in (None, row.reason)
        if whole or _is_again(row, body, window):
            return row
    if len(found) >= MOST:
        said = f"{MOST} drains of node {node} are planned, which is the most; `dure node resume {node}` ends them all"
        raise TooMany(said, numbers={"most": MOST})
    return None


def _is_again(row: tables.Drain, body: wire.DrainNode, window: range) -> bool:
    same = (row.ends_at - row.starts_at, row.reason) == (body.duration_s, body.reason)
    return body.start is None and same and 0 <= window.start - row.starts_at <= AGAIN_S


def _already(service: Service, session: Session, row: tables.Drain, now: float) -> wire.Drained:
    """The answer to a drain that is there."""
    found = fleet.pools_of(session, row.node)
    seen = [service.books.seen(session, pool, Instant(math.ceil(now)))[1] for pool in found]
    running = _running(seen, [drains.to_core(row)])
    return _drained(session, [row], {}, running, now).model_copy(update={"already": True})


def _open(session: Session, node: str, now: float) -> list[tables.Drain]:
    """The drains of a node that are not over. Raises NotDrained."""
    rows = drains.open_of(session, [node], now=now)
    if not rows:
        raise NotDrained(f"node {node} is not drained; `dure node show {node}` shows what is planned for it")
    return rows


def _ended(row: tables.Drain, now: float) -> tables.Drain:
    """The drain, over now; one that had not begun is empty."""
    row.ends_at, row.resumed_at = max(row.starts_at, int(now)), int(now)
    return row


def _kept(row: tables.Drain) -> dict[str, Any]:
    """A drain in the audit log."""
    return drains.to_wire_drain(row, {}).model_dump(mode="json", exclude={"node", "empty_from"})


def _tell(session: Session, leases: Iterable[Lease], row: tables.Drain, now: float, *, event: str) -> None:
    """Tells the companies of what runs on a node about a drain of it, or about its end."""
    detail = {
        "node": row.node,
        "starts_at": records.time(row.starts_at),
        "ends_at": records.time(row.ends_at),
        "reason": row.reason,
    }
    rows = [
        records.event_row(lease, event, at=now, cause=Cause.DRAIN, detail=detail)
        for lease in leases
        if _goes_into(lease, drains.to_core(row))
    ]
    bulk.insert(session, (tables.LeaseEvent, rows))


def _seen(
    service: Service, session: Session, node: str, items: Sequence[Item], now: float, *, queue: bool
) -> dict[str, Plan]:
    found = fleet.pools_of(session, node)
    return {pool: service.seen(session, pool, now=now, queue=queue, items=items) for pool in found}


def _books(plans: Mapping[str, Plan]) -> list[Book]:
    return [plan.book for plan in plans.values()]


def _running(found_in: Iterable[Book], windows: Sequence[Drain]) -> list[Lease]:
    """Active leases on the node that go on into a drain, the first to stop first."""
    found = [
        lease
        for book in found_in
        for lease in book.leases.values()
        if lease.state in (State.ACTIVE, State.ENDING) and any(_goes_into(lease, window) for window in windows)
    ]
    return sorted(found, key=lambda lease: (lease.stops_at or 0, lease.id))


def _goes_into(lease: Lease, window: Drain) -> bool:
    on = any(node == NodeId(window.node) for node, _ in lease.placement)
    return on and (lease.stops_at or 0) > window.starts_at and (lease.starts_at or 0) < window.ends_at


def _drained(
    session: Session, rows: Sequence[tables.Drain], plans: Mapping[str, Plan], running: Sequence[Lease], now: float
) -> wire.Drained:
    moves = [move for plan in plans.values() for move in plan.moves]
    pulled = [plan.book.leases[lease_id] for plan in plans.values() for lease_id in plan.pulled]
    busy = drains.busy_until(session, {row.node for row in rows}, now=now)
    return wire.Drained(
        drains=[drains.to_wire_drain(row, busy) for row in rows],
        moved=[touched(move.before, move.after) for move in moves],
        pulled=[touched(None, lease) for lease in pulled],
        running=[touched(lease, lease) for lease in running],
    )
