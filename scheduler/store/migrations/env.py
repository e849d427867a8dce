"""Alembic's environment: one transaction a migration, one migration at a time, giving up on locks that it cannot get."""

import time
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script
from sqlalchemy import Connection, create_engine, text
from sqlmodel import SQLModel

from dure.errors import Unavailable
from scheduler.store import schema, tables
from scheduler.store.db import engine_url

_LOCK = 0x44757265  # "Dure": no two migrations run at once

LOCK_TIMEOUT_S = 1
"""Whoever comes after a migration that waits for a table waits too, so it does not wait for long; `migrate` tries again."""

WAIT_S = 600.0
"""How long another's migration is waited for."""

LOOK_S = 0.2

assert tables.Leader.metadata is SQLModel.metadata


def _run() -> None:
    if context.is_offline_mode():
        _configure(dialect_name="postgresql")
        context.run_migrations()
        return
    url = context.config.get_main_option("sqlalchemy.url")
    assert url is not None
    options = f"-c lock_timeout={LOCK_TIMEOUT_S}s -c timezone=UTC"
    engine = create_engine(engine_url(url), connect_args={"options": options})
    try:
        with engine.connect() as connection:
            _wait_for_others(connection)
            connection.execute(text(schema.adopted()))
            connection.commit()
            _configure(connection=connection)
            with context.begin_transaction():
                context.run_migrations()
    finally:
        # The lock goes with its connection.
        engine.dispose()


def _configure(*, connection: Connection | None = None, dialect_name: str | None = None) -> None:
    context.configure(
        connection=connection,
        dialect_name=dialect_name,
        version_table=schema.VERSION_TABLE,
        target_metadata=SQLModel.metadata,
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=True,
        on_version_apply=_record,
    )


def _record(ctx: MigrationContext, step: MigrationInfo, *_: Any, **__: Any) -> None:
    """What says nothing of itself may have taken anything away."""
    applied = step.up_revision
    assert isinstance(applied, Script)
    ctx.execute(schema.recorded(applied.revision, getattr(applied.module, "step", "contract")))


def _wait_for_others(connection: Connection) -> None:
    """Looks again and again rather than waiting in one statement, which an index that is being built would wait for."""
    deadline = time.monotonic() + WAIT_S
    while not connection.execute(text(f"SELECT pg_try_advisory_lock({_LOCK})")).scalar_one():
        connection.commit()
        if time.monotonic() > deadline:
            raise Unavailable(f"another migration of this database has run for {WAIT_S:.0f} s; see what it waits for")
        time.sleep(LOOK_S)
    connection.commit()


_run()
