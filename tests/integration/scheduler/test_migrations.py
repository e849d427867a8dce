"""The migrations give exactly the schema that the tables say, and can be run again."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlmodel import SQLModel

from scheduler.store import migrate, tables
from scheduler.store.db import SCHEMA_HEAD, engine_url

assert tables.Leader.metadata is SQLModel.metadata


def test_an_upgraded_database_is_what_the_tables_say(any_empty_url: str) -> None:
    migrate.upgrade(any_empty_url)
    migrate.upgrade(any_empty_url)
    engine = create_engine(engine_url(any_empty_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()


def test_the_code_asks_for_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(migrate.config("postgresql://")).get_heads() == [SCHEMA_HEAD]
