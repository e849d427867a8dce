"""How the agents of nodes say who they are, for people: what they use now, and when that ends."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlmodel import Session

from dure import wire
from scheduler.store.tables import Node
from scheduler.store.times import to_wire

_NEWEST = text(
    """
    SELECT DISTINCT ON (node) node, id, made_with, CAST(extract(epoch FROM expires_at) AS bigint) AS ends_at
    FROM token WHERE node = ANY(:nodes) AND role = 'node' AND revoked_at IS NULL AND replaced_at IS NULL
    ORDER BY node, (made_with IS NULL OR used_at IS NOT NULL) DESC, id DESC
    """
)
"""What was only proposed comes after what is used."""


def of(session: Session, nodes: Sequence[Node]) -> dict[str, wire.NodeIdentity]:
    """By name; a node without is one whose agent nothing lets in."""
    rows = session.connection().execute(_NEWEST, {"nodes": [one.name for one in nodes]})
    found = {
        row.node: wire.NodeIdentity(
            by="token" if row.made_with is None else "credential",
            token=row.id,
            ends_at=None if row.ends_at is None else to_wire(row.ends_at),
        )
        for row in rows
    }
    vouched = {one.name: wire.NodeIdentity(by="cluster", cluster=one.vouched_by) for one in nodes if one.vouched_by}
    return found | vouched
