"""Brings a database to the schema that this code needs."""

import random
import time
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg import errors as pg
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError, OperationalError

from dure.errors import Unavailable
from scheduler.store import restored, schema
from scheduler.store.db import SCHEMA_HEAD, engine_url
from scheduler.store.schema import Fit, Standing

log = structlog.get_logger()

TRIES = 120
"""Each waits at most a second for a table that is in use, and pauses about one."""

FAILED = "the database cannot be migrated; what was before the migration that failed stands"
UNREACHED = (
    "the database cannot be reached, so nothing was migrated; see whether PostgreSQL runs, and DURE_DATABASE_URL (or what is in "
    "DURE_DATABASE_URL_FILE)"
)

_IN_USE = (pg.LockNotAvailable, pg.DeadlockDetected)


def config(url: str) -> Config:
    """Alembic's configuration, without an ini file."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    found.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return found


def upgrade(url: str) -> None:
    """Runs every migration that is missing; does nothing on a database that is up to date, or newer and still fits.

    Each migration is a transaction: one that fails leaves what was before it, and the next run goes on from there. Also
    settles a database that was restored. Raises Unavailable, also where the database is too new.
    """
    try:
        if standing(url).fit not in (Fit.EQUAL, Fit.NEWER):
            _upgrade(url)
        restored.settle(url)
    except DBAPIError as error:
        said = UNREACHED if _is_unreached(error) else FAILED
        raise Unavailable(f"{said}: {str(error.orig).strip()}") from error


def _is_unreached(error: DBAPIError) -> bool:
    """Whether no connection was made, so that nothing was begun."""
    return isinstance(error, OperationalError) and error.statement is None and not error.connection_invalidated


def standing(url: str) -> Standing:
    """How this code stands to the database, as its owner sees it."""
    engine = create_engine(engine_url(url))
    try:
        with engine.connect() as connection:
            return schema.standing(connection, SCHEMA_HEAD)
    finally:
        engine.dispose()


def _upgrade(url: str) -> None:
    for tried in range(1, TRIES + 1):
        try:
            command.upgrade(config(url), "head")
        except CommandError as error:
            # Newer code may have been at it while we waited.
            found = standing(url)
            if found.refusal is not None:
                raise Unavailable(f"the database cannot be migrated: {_said(found, error)}") from error
        except DBAPIError as error:
            if not isinstance(error.orig, _IN_USE) or tried == TRIES:
                raise
            log.info("a table is in use; trying again", action="migration_waits", tried=tried)
            time.sleep(random.uniform(0.5, 1.5))
            continue
        return


def _said(found: Standing, error: CommandError) -> str:
    if found.fit is Fit.TOO_NEW and found.refusal is not None:
        return found.refusal
    return f"it has schema {found.head}, which this release does not know ({error})"
