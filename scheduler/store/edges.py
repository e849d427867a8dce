"""Edges: telling the loop, through PostgreSQL's NOTIFY, that something changed that it may act on at once.

A notification only wakes it early. What is to be done is read from the rows.
"""

from sqlalchemy import text
from sqlmodel import Session

from scheduler.store.db import EDGE_CHANNEL

_NOTIFY = text("SELECT pg_notify(:channel, :name)")


def notify(session: Session, name: str) -> None:
    """Of a pool or a company. Sent when the transaction commits, and not at all if it does not."""
    session.connection().execute(_NOTIFY, {"channel": EDGE_CHANNEL, "name": name})
