"""Brings a database to the schema that this code needs."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import InterfaceError, OperationalError

from dure.errors import Unavailable
from scheduler.store import restored


def config(url: str) -> Config:
    """Alembic's configuration, without an ini file."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    found.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return found


def upgrade(url: str) -> None:
    """Runs every migration that is missing; does nothing on a database that is up to date. Raises Unavailable.

    Also settles a database that was loaded from a dump.
    """
    try:
        command.upgrade(config(url), "head")
        restored.settle(url)
    except (OperationalError, InterfaceError) as error:
        raise Unavailable(f"the database cannot be migrated: {str(error.orig).strip()}") from error
