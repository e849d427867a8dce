"""Silence: a node that has not reported for three of its intervals gets no new starts; running leases are untouched."""

from scheduler.store import due, fleet
from scheduler.store.db import Session


def mark_silent(session: Session, *, now: float) -> list[str]:
    """Marks silent nodes `unknown`; their names. A report makes them `ok` again."""
    silent = due.silent(session, now=now)
    for node in silent:
        fleet.set_node_state(session, node, "unknown")
    return silent
