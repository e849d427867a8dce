"""Where nodes stand: racks, and NVLink islands within them."""

from dure import wire
from scheduler.actor import Actor
from scheduler.store import audit, fleet, nodes
from scheduler.store.db import Session


def label(session: Session, node: str, body: wire.NodeLabels, *, actor: Actor, now: float) -> wire.Node:
    """Says where the node stands. What is placed already stays there. Raises UnknownNode."""
    row = nodes.row(session, node)
    touched = fleet.hold_pools_of(session, node)
    before = {"rack": row.rack, "island": row.island}
    row.rack, row.island = body.rack, body.island
    session.add(row)
    session.flush()
    fleet.recount(session, pools=touched, nodes=[node], now=now)
    audit.record(
        session, actor=actor, action="node.label", subject=node, at=now, before=before, after=body.model_dump()
    )
    return nodes.get(session, node, now=now)
