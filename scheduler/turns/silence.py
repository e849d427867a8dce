"""Silence: a node that has not reported for three of its intervals gets no new starts. Running leases are untouched, and
refunded if nothing is heard of it before they are over.
"""

from scheduler.store import due, fleet
from scheduler.store.db import Session


def mark(session: Session, node: str, *, now: float) -> bool:
    """Marks the node `unknown` if it is still silent now that its pools are locked. A report makes it `ok` again."""
    fleet.lock_pools_of(session, node)
    if node not in due.silent(session):
        return False
    fleet.set_silent(session, node, now=now)
    return True
