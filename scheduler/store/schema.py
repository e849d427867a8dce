"""Which code fits the schema that a database has: what migrations write down of themselves, and what processes read of it.

A migration that expands leaves all that older code uses as it was; one that contracts takes something away, and no code from
before it fits any more. So a database that is newer than the code may be served by it, which is what rolling an upgrade out
and back needs. docs/adr/0030 says why it is kept in this way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sqlalchemy import Connection, text

from dure.errors import Unavailable

VERSION_TABLE = "schema_version"
"""Alembic's own."""

BEFORE_FIT = "alembic_version"
"""What code reads that is older than `schema_fit`, and takes for its own schema; it stays until a migration contracts."""

Step = Literal["expand", "contract"]

NO_SCHEMA = "the database has no schema yet; run `python -m scheduler migrate`"


class NoSchema(Unavailable):
    """The database has no schema yet."""

    def __init__(self) -> None:
        super().__init__(NO_SCHEMA)

    @classmethod
    def title(cls) -> str:
        return Unavailable.title()  # of the code, which is the same


class Fit(StrEnum):
    """How code stands to a database."""

    EQUAL = "equal"
    NEWER = "newer"
    """The database is newer, and the code still fits."""
    TOO_NEW = "too_new"
    OLDER = "older"
    """The database lacks migrations."""
    NONE = "none"
    """There is no schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A migration that a database has, and whether code whose newest it is still fits."""

    revision: str
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A database's schema beside the one that code needs. `head` is None where there is none."""

    head: str | None
    needed: str
    fit: Fit

    @property
    def refusal(self) -> str | None:
        """What to do, as a sentence; None where the code fits."""
        match self.fit:
            case Fit.EQUAL | Fit.NEWER:
                return None
            case Fit.NONE:
                return NO_SCHEMA
            case Fit.OLDER:
                return f"the database has schema {self.head}, this code needs {self.needed}; run the migrations"
            case Fit.TOO_NEW:
                return (
                    f"the database has schema {self.head}, which no longer has all that this code, of schema {self.needed}, "
                    "uses; run a newer release, or restore a backup from before that upgrade"
                )


def judged(applied: Sequence[Applied], needed: str) -> Fit:
    """How code that needs `needed` stands to a database with these migrations, oldest first."""
    found = {one.revision: one.fits for one in applied}
    if needed not in found:
        return Fit.OLDER
    if applied[-1].revision == needed:
        return Fit.EQUAL
    return Fit.NEWER if found[needed] else Fit.TOO_NEW


_THERE = text("SELECT to_regclass('schema_fit'), to_regclass('schema_version'), to_regclass('alembic_version')")
_APPLIED = text("SELECT revision, fits FROM schema_fit ORDER BY number")


def standing(connection: Connection, needed: str) -> Standing:
    """As it is now."""
    fit, version, before = connection.execute(_THERE).one()
    if fit is not None:
        applied = [Applied(revision=row.revision, fits=row.fits) for row in connection.execute(_APPLIED)]
        if applied:
            return Standing(head=applied[-1].revision, needed=needed, fit=judged(applied, needed))
    table = VERSION_TABLE if version is not None else BEFORE_FIT if before is not None else None
    head = None if table is None else connection.execute(text(f"SELECT version_num FROM {table}")).scalar()
    return Standing(head=head, needed=needed, fit=Fit.NONE if head is None else Fit.OLDER)


def adopted() -> str:
    """SQL that lets Alembic go on, in a table of its own, where code from before `schema_fit` left off."""
    return f"""
        DO $$ BEGIN
            IF to_regclass('{BEFORE_FIT}') IS NOT NULL AND to_regclass('{VERSION_TABLE}') IS NULL THEN
                CREATE TABLE {VERSION_TABLE} (version_num varchar(32) CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY);
                INSERT INTO {VERSION_TABLE} SELECT version_num FROM {BEFORE_FIT};
                IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'dure_app') THEN
                    GRANT SELECT ON {VERSION_TABLE} TO dure_app;
                END IF;
            END IF;
        END $$
    """


def recorded(revision: str, step: Step) -> str:
    """SQL that a migration ends with, in its own transaction. One that contracts leaves only itself fitting."""
    contracts = f"""
                UPDATE schema_fit SET fits = false WHERE fits;
                UPDATE {BEFORE_FIT} SET version_num = '{revision}';
    """
    return f"""
        DO $$ BEGIN
            IF to_regclass('schema_fit') IS NOT NULL THEN
                {contracts if step == "contract" else ""}
                INSERT INTO schema_fit (revision, fits) VALUES ('{revision}', true);
            END IF;
        END $$
    """
