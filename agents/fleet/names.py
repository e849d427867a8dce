"""Which nodes a fleet is made of, and their tokens."""

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from agents.scenario import Scenario


class FleetError(Exception):
    """The fleet cannot be made; the text says what is missing and what to do."""


def wanted(scenario: Scenario, *, first: int, count: int | None, prefix: str) -> Sequence[str]:
    """`count` nodes from the `first` on: of the scenario's groups where it has some, else called by `prefix` and a number.

    Raises FleetError where there are not so many.
    """
    if not scenario.groups:
        return [f"{prefix}-{number}" for number in range(first, first + (1 if count is None else count))]
    found = list(islice(scenario.names(), first - 1, None if count is None else first - 1 + count))
    if not found or (count is not None and len(found) < count):
        raise FleetError(f"the scenario's groups have only {sum(group.count for group in scenario.groups)} nodes")
    return found


def tokens(path: Path, names: Sequence[str]) -> Mapping[str, str]:
    """Each node's token out of a file: a line each of name, tab and token, or a JSON object. Raises FleetError."""
    try:
        text = path.read_text(encoding="utf-8")
        told = json.loads(text) if text.lstrip().startswith("{") else _lines(text)
    except (OSError, ValueError) as error:
        raise FleetError(f"{path}: the tokens cannot be read: {error}") from error
    missing = [name for name in names if not told.get(name)]
    if missing:
        raise FleetError(f"{path}: there is no token of {missing[0]}, and of {len(missing) - 1} others")
    return {name: told[name] for name in names}


def _lines(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, tab, token = line.partition("\t")
        if not tab:
            raise ValueError(f"line {number} is not a node's name, a tab and its token")
        found[name.strip()] = token.strip()
    return found
