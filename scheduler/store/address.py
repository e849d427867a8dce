"""Where the database is, and with which password: said once, or read from a file at every connection."""

import re
from dataclasses import dataclass
from pathlib import Path

from dure.errors import Unavailable

PATTERN = r"postgres(ql)?(\+psycopg)?://\S+"
"""The shape of what names a database."""


@dataclass(frozen=True, slots=True)
class Address:
    """A `postgresql://` URL, or the file that holds it; a file may change while we run, as a mounted Secret does."""

    said: str | Path

    def url(self) -> str:
        """As it is now. Raises Unavailable where the file cannot be read, as while a Secret is replaced, or holds no URL."""
        if isinstance(self.said, str):
            return self.said
        try:
            found = self.said.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(
                f"the database's URL cannot be read from {self.said}: {error}", retry_after_s=2
            ) from error
        if not re.fullmatch(PATTERN, found):
            raise Unavailable(f"{self.said} holds no postgresql://user@host/name", retry_after_s=2)
        return found
