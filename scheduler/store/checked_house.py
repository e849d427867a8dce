"""What `GET /v1/checkup` looks at of the database itself, its schema, the processes and the ledger."""

import time

from sqlalchemy import text
from sqlmodel import Session

from scheduler.checkup import facts
from scheduler.store import ledger_verified, processes

_DATABASE = text(
    """
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
        pg_database_size(current_database()) AS size_bytes,
        (SELECT sum(numbackends)::int FROM pg_stat_database) AS connections,
        current_setting('max_connections')::int AS most_connections,
        current_setting('archive_mode') <> 'off' AS archiving,
        (SELECT extract(epoch FROM last_archived_time)::float8 FROM pg_stat_archiver) AS archived_at,
        (SELECT extract(epoch FROM last_failed_time)::float8 FROM pg_stat_archiver) AS archive_failed_at,
        (SELECT version_num FROM schema_version) AS schema,
        EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = :migrations AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS migrating
    """
)

MIGRATIONS_LOCK = 0x44757265
"""As `migrations/env.py` has it."""


def database(session: Session) -> facts.Database:
    connection = session.connection()
    began = time.monotonic()
    connection.execute(text("SELECT 1"))
    took_s = time.monotonic() - began
    row = connection.execute(_DATABASE, {"migrations": MIGRATIONS_LOCK}).mappings().one()
    return facts.Database(round_trip_s=took_s, **row)


def heard(session: Session) -> list[facts.Process]:
    """The processes that said within a day that they are there."""
    return [facts.Process(**row.model_dump()) for row in processes.heard(session)]


def ledger(session: Session) -> facts.Ledger | None:
    """None where the whole of it was never added up."""
    row = ledger_verified.last(session)
    return (
        None if row is None else facts.Ledger(at=row.at, accounts=row.accounts, entries=row.entries, faults=row.faults)
    )
