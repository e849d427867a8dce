"""After a database was loaded from a dump, or put back to an earlier time: what is left of another life is settled.

In a dump, events carry transaction numbers of the server it was dumped on. Those may be far above this server's, and would
hide and outrun whatever happens now. So they are moved below it, all by the same amount, which keeps their order. A copy of
the server's files keeps its numbers. In both, what was committed after the copy is missing: `lives` has what follows.
"""

from dataclasses import dataclass

from sqlalchemy import create_engine, text

from scheduler.store import lives
from scheduler.store.db import engine_url

_NEWEST = text(
    """
    SELECT max(xid) FROM lease_event
    HAVING max(xid) >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What was found: `moved` events of another server, and a life that `began`."""

    moved: bool
    began: bool


def settle(url: str, *, anyway: bool = False) -> Settled:
    """Ends what is left of another life, as the database's owner; `anyway`, though the server's is the same."""
    engine = create_engine(engine_url(url))
    try:
        with engine.begin() as connection:
            began = lives.begin(connection, anyway=anyway)
            newest = connection.execute(_NEWEST).scalar_one_or_none()
            if newest is not None:
                for table in ("lease_event", "webhook_cursor"):
                    connection.execute(text(f"UPDATE {table} SET xid = xid - :shift"), {"shift": newest + 1})
            return Settled(moved=newest is not None, began=began)
    finally:
        engine.dispose()
