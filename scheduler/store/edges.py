"""Edges: telling the loop, through PostgreSQL's NOTIFY, that something changed that it may act on at once.

A notification only wakes it early. What is to be done is read from the rows.
"""

from sqlalchemy import text
from sqlmodel import Session

from scheduler.store.db import EDGE_CHANNEL

_NOTIFY = text("SELECT pg_notify(:channel, :pool)")


def notify(session: Session, pool: str) -> None:
    """Sent when the transaction commits, and not at all if it does not."""
    session.connection().execute(_NOTIFY, {"channel": EDGE_CHANNEL, "pool": pool})
