"""Where the database is, and with which password: said once, or read from a file at every connection."""

import re
from dataclasses import dataclass
from pathlib import Path

from psycopg import Error as PgError
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from dure.errors import Unavailable

PATTERN = r"postgres(ql)?(\+psycopg)?://\S+"
"""The shape of what names a database."""


@dataclass(frozen=True, slots=True)
class Address:
    """A `postgresql://` URL, or the file that holds it; a file may change while we run, as a mounted Secret does."""

    said: str | Path

    def url(self) -> str:
        """As it is now. Raises Unavailable where the file cannot be read, as while a Secret is replaced, or holds no URL."""
        return self.said if isinstance(self.said, str) else _read(self.said)

    def where(self) -> str | None:
        """Which database that is, but for who connects to it; None where it was said, and so stays. Raises Unavailable."""
        if isinstance(self.said, str):
            return None
        found = conninfo_to_dict(_plain(_read(self.said)))
        return f"{found.get('host')}:{found.get('port')}/{found.get('dbname')}"


def _read(file: Path) -> str:
    """Whatever is wrong with it is as if the database were away: the file may be right again in a moment."""
    try:
        if not file.is_file():
            raise FileNotFoundError("there is no such file")
        found = file.read_text().strip()
    except (OSError, ValueError) as error:
        raise Unavailable(f"the database's URL cannot be read from {file}: {error}", retry_after_s=2) from error
    if not re.fullmatch(PATTERN, found):
        raise Unavailable(f"{file} holds no postgresql://user@host/name", retry_after_s=2)
    try:
        conninfo_to_dict(_plain(found))
        _ = make_url(found).port
    except (PgError, ArgumentError, ValueError):
        # Not the error's own words, which may have the password in them.
        raise Unavailable(f"{file} holds an address that PostgreSQL does not take", retry_after_s=2) from None
    return found


def _plain(url: str) -> str:
    """As libpq takes it."""
    return url.replace("+psycopg://", "://", 1)
