"""What tests reach a database with. It is kept for the next database of that address, with the SQL that it has compiled."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scheduler.store.db import Database


@contextmanager
def opened(url: str) -> "Iterator[Database]":
    """A `scheduler.store.db.Database` of that address. Its connections are closed afterwards."""
    found = _kept(url)
    try:
        yield found
    finally:
        found.close()


@cache
def _kept(url: str) -> "Database":
    # Here and not above: tests without a database import no store.
    from scheduler.store.db import Database

    return Database(url, idle_s=300, lock_timeout_s=60)  # however busy the machine is
