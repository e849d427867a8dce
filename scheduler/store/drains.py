"""Drains: nodes that are out of service for a while."""

from collections.abc import Iterable, Mapping

from sqlmodel import Session, col, select

from dure import wire
from scheduler.core import model
from scheduler.core.ahead import ahead
from scheduler.ids import new_id
from scheduler.store.tables import Allocation, Drain, Lease, PlacementRow, Pool
from scheduler.store.times import to_wire

DRAINED_NOW = "SELECT node FROM drain WHERE starts_at <= to_timestamp(:now) AND ends_at > to_timestamp(:now)"
"""The nodes that a drain takes now, for a query that says `:now` in whole Unix seconds."""


def add(session: Session, node: str, *, starts_at: int, ends_at: int, reason: str | None, now: float) -> Drain:
    """A new drain of a node, in the caller's transaction."""
    row = Drain(
        id=new_id("drn", now), node=node, starts_at=starts_at, ends_at=ends_at, reason=reason, created_at=int(now)
    )
    session.add(row)
    session.flush()
    return row


def to_core(row: Drain) -> model.Drain:
    """What the calendar knows of a drain."""
    starts_at, ends_at = model.Instant(row.starts_at), model.Instant(row.ends_at)
    return model.Drain(id=row.id, node=model.NodeId(row.node), starts_at=starts_at, ends_at=ends_at)


def reasons(session: Session, drains: Iterable[str]) -> dict[str, str | None]:
    """Why each was asked for, where that was said."""
    ids = sorted(set(drains))
    return dict(session.exec(select(Drain.id, Drain.reason).where(col(Drain.id).in_(ids))).all()) if ids else {}


def ahead_of(
    session: Session, leases: Iterable[model.Lease], gaps: Mapping[str, int]
) -> dict[model.LeaseId, wire.DrainAhead]:
    """What each of those that run cannot be extended past, by the gaps of their pools."""
    running = [lease for lease in leases if lease.state is model.State.ACTIVE]
    if not running:
        return {}
    nodes = {node for lease in running for node, _ in lease.placement}
    soonest = min(lease.ends_at or 0 for lease in running)
    query = select(Drain).where(col(Drain.node).in_(nodes), col(Drain.ends_at) > soonest)
    rows = {row.id: row for row in session.exec(query)}
    planned = [to_core(row) for row in rows.values()]
    found = {lease.id: ahead(lease, planned, gaps[lease.pool]) for lease in running}
    return {
        lease: wire.DrainAhead(
            node=one.drain.node,
            starts_at=to_wire(one.drain.starts_at),
            ends_at=to_wire(one.drain.ends_at),
            reason=rows[one.drain.id].reason,
            latest_end=to_wire(one.latest_end),
        )
        for lease, one in found.items()
        if one is not None
    }


def open_of(session: Session, nodes: Iterable[str], *, now: float) -> list[Drain]:
    """Drains of these nodes that are not over, the first to start first. One that was lifted before it began is."""
    not_over = (col(Drain.node).in_(list(nodes)), col(Drain.ends_at) > int(now))
    query = select(Drain).where(*not_over).order_by(col(Drain.starts_at), col(Drain.id))
    return [row for row in session.exec(query) if row.ends_at > row.starts_at]


def wires(session: Session, nodes: Iterable[str], *, now: float) -> dict[str, list[wire.Drain]]:
    """The same as people see them, by node."""
    rows = open_of(session, nodes, now=now)
    busy = busy_until(session, {row.node for row in rows}, now=now)
    found: dict[str, list[wire.Drain]] = {}
    for row in rows:
        found.setdefault(row.node, []).append(to_wire_drain(row, busy))
    return found


def busy_until(session: Session, nodes: Iterable[str], *, now: float) -> dict[str, int]:
    """Until when what runs on each of the nodes, or ran there a moment ago, takes it, cleaning included."""
    asked = list(nodes)
    if not asked:
        return {}
    over = (col(Lease.state) == "ended") & (col(Lease.stops_at) > int(now) - _LONGEST_GAP_S)
    query = (
        select(PlacementRow.node, Lease.stops_at, Pool.gap_s)
        .join(Lease, col(Lease.id) == col(PlacementRow.lease))
        .join(Pool, col(Pool.name) == col(Lease.pool))
        .where(col(PlacementRow.node).in_(asked), col(Lease.started_at).is_not(None))
        .where(col(Lease.state).in_(("active", "ending")) | over)
    )
    found: dict[str, int] = {}
    for node, stops_at, gap_s in session.exec(query):
        found[node] = max(found.get(node, 0), (stops_at or 0) + gap_s)
    given_back = (
        select(Allocation.node, Allocation.ended_at, Pool.gap_s)
        .join(Lease, col(Lease.id) == col(Allocation.lease))
        .join(Pool, col(Pool.name) == col(Lease.pool))
        .where(col(Allocation.node).in_(asked), col(Allocation.given_back))
        .where(col(Allocation.ended_at) > int(now) - _LONGEST_GAP_S)
    )
    for node, ended_at, gap_s in session.exec(given_back):
        found[node] = max(found.get(node, 0), (ended_at or 0) + gap_s)
    return found


def to_wire_drain(row: Drain, busy: Mapping[str, int]) -> wire.Drain:
    """As people see it; `busy` is from `busy_until`."""
    empty_from = max(row.starts_at, busy.get(row.node, 0)) if row.resumed_at is None else None
    return wire.Drain(
        id=row.id,
        node=row.node,
        starts_at=to_wire(row.starts_at),
        ends_at=to_wire(row.ends_at),
        reason=row.reason,
        empty_from=to_wire(empty_from),
    )


_LONGEST_GAP_S = 86_400
"""No pool's gap is longer."""
