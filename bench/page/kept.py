"""The results that are kept, read back: which of them a page is made from is decided by what they were asked for."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.results import Row, Value

Wanted = Callable[["Kept"], bool]


class BadResult(Exception):
    """A file is no result; the sentence names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One file of `bench.results`. `name` is the file's, which begins with when it was measured."""

    name: str
    measure: str
    at: str
    commit: str
    machine: Row
    settings: Row
    rows: Sequence[Row]
    notes: Row

    @property
    def busy(self) -> bool:
        """Whether the machine had more to do than it has cores before it was measured: then times say little."""
        return float(self.machine["load_before"]) > float(self.machine["cores"])

    def speed(self, row: Row, name: str) -> Value:
        """A figure of a row that others' work on the machine changes; the word instead where there was such work."""
        return "busy" if self.busy else row[name]


@dataclass(frozen=True, slots=True)
class Results:
    """All that is kept, the oldest first."""

    all: Sequence[Kept]

    def newest(self, measure: str, wanted: Wanted = lambda _: True) -> Kept | None:
        found = [one for one in self.all if one.measure == measure and wanted(one)]
        return found[-1] if found else None

    def each(self, measure: str) -> list[Kept]:
        """The newest for everything that was asked for, in the order of what was asked for."""
        found: dict[tuple[tuple[str, Value], ...], Kept] = {}
        for one in self.all:
            if one.measure == measure:
                found[tuple(one.settings.items())] = one
        return [found[asked] for asked in sorted(found, key=str)]


def read(folder: Path) -> Results:
    """Every result in the folder. Raises BadResult."""
    paths = sorted(folder.glob("*.json"), key=lambda path: path.name)
    return Results([parsed(path.stem, path.read_text()) for path in paths])


def parsed(name: str, text: str) -> Kept:
    """Raises BadResult."""
    try:
        found = json.loads(text)
        return Kept(
            name=name,
            measure=found["measure"],
            at=found["at"],
            commit=found["commit"],
            machine=_row(found["machine"]),
            settings=_row(found["settings"]),
            notes=_row(found["notes"]),
            rows=[_row(row) for row in found["rows"]],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BadResult(f"{name}.json is no result of the bench: {type(error).__name__} {error}") from None


def _row(found: Any) -> Mapping[str, Value]:
    if not isinstance(found, dict):
        raise TypeError(f"{str(found)[:30]!r} is no row")
    return found
