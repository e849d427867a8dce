"""Lives of the database's server: a new one begins where it was put back to an earlier time, or a standby took over.

What was committed last may be missing then, though others have seen it. What they keep in mind is told apart from what
happens now: events get numbers that were never given, and a leader of the old life can commit nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import Engine

SKIPPED = 1_000_000
"""Numbers of events left out at the beginning of a life: more than a lost stretch may have given out."""

SKIPPED_EPOCHS = 1000

LIFE = """
    SELECT CASE WHEN NOT pg_is_in_recovery()
        THEN s.system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS life
    FROM pg_control_system() s
"""
"""The server and its timeline, which is another after a recovery to a point in time and after a promotion."""

BEGIN = f"""
    WITH present AS MATERIALIZED ({LIFE}),
    known AS (SELECT life FROM server_life ORDER BY number DESC LIMIT 1),
    begun AS (
        INSERT INTO server_life (life) SELECT life FROM present
        WHERE life IS NOT NULL AND (FORCED OR life IS DISTINCT FROM (SELECT life FROM known))
        RETURNING life
    ),
    other AS (SELECT FROM begun WHERE EXISTS (SELECT FROM known)),
    raised AS (UPDATE leader SET epoch = epoch + {SKIPPED_EPOCHS} WHERE EXISTS (SELECT FROM other))
    SELECT setval('lease_event_seq_seq', nextval('lease_event_seq_seq') + {SKIPPED}) FROM other
"""
"""Whether a life began in which something may be missing: a row if so, and none where it is the first that is known."""

_BEGIN = text(BEGIN.replace("FORCED", "false"))
_BEGIN_ANYWAY = text(BEGIN.replace("FORCED", "true"))

KEY = "life"
"""Where `noted` keeps it among what SQLAlchemy keeps of a connection."""


def begin(connection: Connection, *, anyway: bool = False) -> bool:
    """Writes down a life that began, and whether one did. `anyway`: whoever restored a dump into the same server says so."""
    return connection.execute(_BEGIN_ANYWAY if anyway else _BEGIN).first() is not None


def begin_by(connection: psycopg.Connection[Any]) -> bool:
    """The same on the driver's own connection, which may be another role's: a leader that takes over."""
    return connection.execute(BEGIN.replace("FORCED", "false").encode()).fetchone() is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """Up to where a database goes: its newest event, by its id, and when that happened, in Unix seconds; in which life."""

    event: str | None
    at: float | None
    life: str | None


_NEWEST = text(
    """
    SELECT 'evt_' || seq AS event, extract(epoch FROM at)::float8 AS at FROM lease_event ORDER BY xid DESC, seq DESC LIMIT 1
    """
)


def newest(connection: Connection) -> Newest:
    """As the connection sees it."""
    row = connection.execute(_NEWEST).one_or_none()
    told, at = (None, None) if row is None else row
    return Newest(event=told, at=at, life=noted(connection))


def note(engine: Engine) -> None:
    """From now on every connection of the engine knows in which life of the server it was made."""
    event.listen(engine, "connect", _read)


def noted(connection: Connection) -> str | None:
    """The life that a connection is in; None where its server only reads, or does not say."""
    info: Mapping[str, Any] = connection.info
    return info.get(KEY)


def _read(driver: psycopg.Connection[Any], record: Any) -> None:
    try:
        row = driver.execute(LIFE.encode()).fetchone()
        record.info[KEY] = row and row[0]
    except psycopg.Error:
        record.info[KEY] = None
    driver.rollback()
