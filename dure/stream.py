"""Server-sent events, read: lines become messages (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What stood between two empty lines. Without data it is a sign of life."""

    data: str
    id: str | None = None


def messages(lines: Iterable[str]) -> Iterator[Message]:
    """One at a time. What the stream breaks off in the middle of is not a message."""
    data: list[str] = []
    last: str | None = None
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            yield Message(data="\n".join(data), id=last)
            data = []
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            last = value
