"""Drains: nodes that are out of service for a while, and where nodes stand."""

from collections.abc import Iterable

from sqlmodel import Session, col, select

from dure import wire
from scheduler.ids import new_id
from scheduler.store.tables import Drain
from scheduler.store.times import to_wire


def add(session: Session, node: str, *, starts_at: int, ends_at: int, reason: str | None, now: float) -> Drain:
    """A new drain of a node, in the caller's transaction."""
    row = Drain(
        id=new_id("drn", now), node=node, starts_at=starts_at, ends_at=ends_at, reason=reason, created_at=int(now)
    )
    session.add(row)
    session.flush()
    return row


def open_of(session: Session, nodes: Iterable[str], *, now: float) -> list[Drain]:
    """Drains of these nodes that are not over, the first to start first."""
    query = select(Drain).where(col(Drain.node).in_(list(nodes))).order_by(col(Drain.starts_at), col(Drain.id))
    return [row for row in session.exec(query) if row.ends_at > int(now)]


def wires(session: Session, nodes: Iterable[str], *, now: float) -> dict[str, list[wire.Drain]]:
    """The same as people see them, by node."""
    found: dict[str, list[wire.Drain]] = {}
    for row in open_of(session, nodes, now=now):
        found.setdefault(row.node, []).append(to_wire_drain(row))
    return found


def to_wire_drain(row: Drain) -> wire.Drain:
    return wire.Drain(
        id=row.id,
        node=row.node,
        starts_at=to_wire(row.starts_at),
        ends_at=to_wire(row.ends_at),
        reason=row.reason,
    )
