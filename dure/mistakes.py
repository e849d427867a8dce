"""What pydantic says of a value that is wrong, in the words that a person is to read."""

from collections.abc import Mapping
from typing import Any


def sentence(found: Mapping[str, Any]) -> str:
    """Of one of its errors."""
    return plain(str(found["msg"]))


def plain(message: str) -> str:
    """Without the word that it puts before a sentence that is not its own."""
    return message.removeprefix("Value error, ")
