"""Cursors: a list is read in the order of a key, and the cursor is the last key seen, made opaque."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from dure.errors import BadCursor
from dure.wire import Page

R = TypeVar("R")
W = TypeVar("W")


def encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode(cursor: str | None) -> str | None:
    """The key that a cursor stands for. Raises BadCursor."""
    if cursor is None:
        return None
    try:
        key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        raise BadCursor() from None
    if not key or "\x00" in key:
        raise BadCursor()
    return key


def page(rows: Sequence[R], limit: int, *, wire: Callable[[R], W], key: Callable[[R], str]) -> Page[W]:
    """A page out of `limit + 1` rows: the one too many only says that there is more."""
    more = len(rows) > limit
    kept = rows[:limit]
    return Page(items=[wire(row) for row in kept], next_cursor=encode(key(kept[-1])) if more and kept else None)


def number(key: str) -> int:
    """The key of a list that is ordered by a number. Raises BadCursor."""
    if not key.isascii() or not key.isdigit() or len(key) > 18:
        raise BadCursor()
    return int(key)
