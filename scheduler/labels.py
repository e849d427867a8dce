"""Where nodes stand: racks, and NVLink islands within them."""

from dure import wire
from scheduler.actor import Actor
from scheduler.store import audit, fleet, nodes
from scheduler.store.db import Session


def label(session: Session, node: str, body: wire.NodeLabels, *, actor: Actor, now: float) -> wire.Node:
    """Says where the node stands, as far as `body` does. What is placed already stays there. Raises UnknownNode."""
    nodes.row(session, node)
    touched = fleet.hold_pools_of(session, node)
    row = nodes.row(session, node)
    said = body.model_dump(exclude_none=True)
    before = {name: getattr(row, name) for name in said}
    for name, value in said.items():
        setattr(row, name, value)
    session.add(row)
    session.flush()
    fleet.recount(session, pools=touched, nodes=[node], now=now)
    audit.record(
        session, actor=actor, action=wire.AuditAction.NODE_LABEL, subject=node, at=now, before=before, after=said
    )
    return nodes.get(session, node, now=now)
