"""The database itself: who is connected, how large it is, and when its log was last put away."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session

from scheduler.store.db import APP_ROLE

_AS_OURSELVES = text("SET LOCAL ROLE NONE")
_AS_BEFORE = text(f"SET LOCAL ROLE {APP_ROLE}")
"""PostgreSQL shows what a connection does to the user that it is of, and not to the role that it took."""

_CONNECTIONS = text(
    """
    SELECT coalesce(replace(state, ' ', '_'), 'unknown') AS state, count(*) AS connections FROM pg_stat_activity
    WHERE datname = current_database() AND coalesce(backend_type, 'client backend') = 'client backend' GROUP BY 1
    """
)

_TABLES = text(
    """
    SELECT coalesce(pg_partition_root(c.oid), c.oid)::regclass::text AS name, sum(pg_total_relation_size(c.oid))::bigint AS bytes
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') GROUP BY 1
    """
)
"""With indexes and what is kept aside; a partitioned table is the sum of its parts."""

_WHOLE = text(
    """
    SELECT pg_database_size(current_database()) AS bytes,
        extract(epoch FROM last_archived_time)::float8 AS archived_at,
        extract(epoch FROM last_failed_time)::float8 AS archive_failed_at
    FROM (SELECT) one LEFT JOIN pg_stat_archiver ON current_setting('archive_mode') <> 'off'
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSize:
    """Bytes, of all and by table; when a segment of the log was last archived, and when that last failed, None where none ever was or did."""

    bytes: int
    tables: dict[str, int]
    archived_at: float | None
    archive_failed_at: float | None


def connections(session: Session) -> dict[str, int]:
    """Connections to this database by state, which is unknown of those of other users."""
    connection = session.connection()
    connection.execute(_AS_OURSELVES)
    found = {row.state: row.connections for row in connection.execute(_CONNECTIONS)}
    connection.execute(_AS_BEFORE)
    return found


def size(session: Session) -> DatabaseSize:
    """Looks at every file of the database: not for every scrape."""
    whole = session.connection().execute(_WHOLE).one()
    tables = {row.name: row.bytes for row in session.connection().execute(_TABLES)}
    archived = {"archived_at": whole.archived_at, "archive_failed_at": whole.archive_failed_at}
    return DatabaseSize(bytes=whole.bytes, tables=tables, **archived)
