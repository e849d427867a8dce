"""Alembic's environment: one transaction a migration, under an advisory lock, giving up on locks it cannot get."""

from alembic import context
from sqlalchemy import create_engine, text
from sqlmodel import SQLModel

from scheduler.store import tables
from scheduler.store.db import engine_url

_LOCK = 0x44757265  # "Dure": no two migrations run at once

assert tables.Leader.metadata is SQLModel.metadata


def _run() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    assert url is not None
    engine = create_engine(engine_url(url), connect_args={"options": "-c lock_timeout=5s -c timezone=UTC"})
    with engine.connect() as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=SQLModel.metadata,
            transaction_per_migration=True,
            compare_type=True,
            compare_server_default=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK})"))
        connection.commit()
    engine.dispose()


_run()
