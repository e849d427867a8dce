"""After a database was loaded from a dump, its events carry transaction numbers of the server it was dumped on.

Those may be far above this server's, and would hide and outrun whatever happens now. So they are moved below it, all by
the same amount, which keeps their order. A copy of the server's files keeps its numbers and needs nothing.
"""

from sqlalchemy import create_engine, text

from scheduler.store.db import engine_url

_NEWEST = text(
    """
    SELECT max(xid) FROM lease_event
    HAVING max(xid) >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    """
)


def settle(url: str) -> bool:
    """Moves the events of another server's life below this one's, as the database's owner; whether there were any."""
    engine = create_engine(engine_url(url))
    try:
        with engine.begin() as connection:
            newest = connection.execute(_NEWEST).scalar_one_or_none()
            if newest is None:
                return False
            for table in ("lease_event", "webhook_cursor"):
                connection.execute(text(f"UPDATE {table} SET xid = xid - :shift"), {"shift": newest + 1})
            return True
    finally:
        engine.dispose()
