"""YAML documents that people write, read as lines and text: mappings, lists and scalars, and of YAML nothing more.

No value has a type yet: who knows what a key is for reads its text, so that `no` is never false and `1_0` never ten. What
makes one text stand for another (anchors, tags, merges, several documents, a key twice) is refused, so a document is as
large as it looks. Every complaint names its line.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import yaml
from yaml import events

MOST_BYTES = 1 << 18
"""No document is larger, unless its kind says so."""

DEEPEST = 8
"""Nor nested deeper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A scalar as it is written, without its quotes."""

    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list."""

    line: int
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """A mapping; `lines` are where its keys stand."""

    line: int
    values: "dict[str, Node]"
    lines: dict[str, int]


Node = Text | Items | Keys


class DocumentError(ValueError):
    """Why something is no such document; `line` is where, counted from 1."""

    def __init__(self, line: int, message: str) -> None:
        self.line, self.message = line, message
        super().__init__(f"line {line}: {message}")


def read(data: bytes, *, most: int = MOST_BYTES) -> Node:
    """The one document of these bytes, at most so many. Raises DocumentError."""
    if len(data) > most:
        raise DocumentError(1, f"it has more than {most} bytes, which is the most")
    try:
        parse = cast("Callable[..., Iterable[events.Event]]", yaml.parse)  # pyright: ignore[reportUnknownMemberType]
        return _document(iter(parse(_decoded(data), Loader=yaml.SafeLoader)))
    except yaml.reader.ReaderError as error:
        line = data.decode("utf-8-sig")[: error.position].count("\n") + 1
        raise DocumentError(line, f"it has the character {error.character:#04x}, which is not for text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "something is wrong"
        raise DocumentError(1 if mark is None else mark.line + 1, f"this is no YAML: {said}") from None


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DocumentError(line, "this is not UTF-8; save the file as UTF-8") from None


def _document(stream: Iterator[events.Event]) -> Node:
    found: Node | None = None
    for event in stream:
        if isinstance(event, events.DocumentStartEvent):
            if found is not None:
                raise DocumentError(_line(event), "a second document begins here; one file is one document")
            found = _node(next(stream), stream, 0)
    if found is None:
        raise DocumentError(1, "it is empty")
    return found


def _node(event: events.Event, stream: Iterator[events.Event], depth: int) -> Node:
    line = _line(event)
    if isinstance(event, events.AliasEvent):
        raise DocumentError(line, f"*{event.anchor} stands for something else; write out what it stands for")
    assert isinstance(event, events.NodeEvent)
    if event.anchor is not None:
        raise DocumentError(line, f"&{event.anchor} names a part to be repeated; write it out where it belongs")
    if getattr(event, "tag", None) is not None:
        raise DocumentError(line, "a tag (!...) has no meaning here; leave it out")
    if depth > DEEPEST:
        raise DocumentError(line, f"it is nested more than {DEEPEST} deep")
    match event:
        case events.ScalarEvent():
            return Text(line=line, text=event.value)
        case events.SequenceStartEvent():
            return Items(line=line, items=tuple(_items(stream, depth)))
        case _:
            return _keys(line, stream, depth)


def _items(stream: Iterator[events.Event], depth: int) -> Iterator[Node]:
    while not isinstance(event := next(stream), events.SequenceEndEvent):
        yield _node(event, stream, depth + 1)


def _keys(line: int, stream: Iterator[events.Event], depth: int) -> Keys:
    values: dict[str, Node] = {}
    lines: dict[str, int] = {}
    while not isinstance(event := next(stream), events.MappingEndEvent):
        key = _node(event, stream, depth + 1)
        if not isinstance(key, Text):
            raise DocumentError(key.line, "a key is a word, for example pools")
        if key.text in values:
            raise DocumentError(key.line, f"{key.text} is said twice, here and in line {lines[key.text]}")
        lines[key.text] = key.line
        values[key.text] = _node(next(stream), stream, depth + 1)
    return Keys(line=line, values=values, lines=lines)


def _line(event: events.Event) -> int:
    mark = event.start_mark
    return 1 if mark is None else mark.line + 1
