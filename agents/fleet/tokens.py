"""Which nodes a fleet is made of: those that a file has tokens of."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path


class FleetError(Exception):
    """The fleet cannot be made; the text says what is wrong and where."""


def read(path: Path, *, first: int = 1, count: int | None = None) -> Mapping[str, str]:
    """Nodes and their tokens out of a file, a line each of name, tab and token, or a JSON object: `count` of them, or all, from the
    `first` on. Raises FleetError.
    """
    try:
        text = path.read_text(encoding="utf-8")
        told = json.loads(text) if text.lstrip().startswith("{") else dict(_lines(text))
    except (OSError, ValueError) as error:
        raise FleetError(f"{path}: the tokens cannot be read: {error}") from error
    found = dict(islice(told.items(), first - 1, None if count is None else first - 1 + count))
    if not found or len(found) < (count or 1):
        raise FleetError(f"{path}: there are tokens of {len(told)} nodes, which are not as many as were asked for")
    return found


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        name, tab, token = line.partition("\t")
        if not (name.strip() and tab and token.strip()):
            raise ValueError(f"line {number} is not a node's name, a tab and its token")
        yield name.strip(), token.strip()
