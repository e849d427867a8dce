"""Silence: a node that has not reported for three of its intervals gets no new starts; running leases are untouched.

Time in which nobody could receive reports is not the node's silence.
"""

from sqlmodel import col, func, select

from scheduler.store import fleet, receiving
from scheduler.store.db import Session
from scheduler.store.tables import Node


def mark_silent(session: Session, *, now: float) -> list[str]:
    """Marks silent nodes `unknown`; their names. A report makes them `ok` again."""
    since = receiving.since(session, now=now)
    if since is None:
        return []
    heard = func.greatest(func.extract("epoch", col(Node.last_report_at)), since)
    query = (
        select(Node.name)
        .where(col(Node.state) == "ok", heard + col(Node.silent_after_s) < now)
        .order_by(col(Node.name))
    )
    silent = list(session.exec(query).all())
    for node in silent:
        fleet.set_node_state(session, node, "unknown")
    return silent
