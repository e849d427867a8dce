"""The table of the chart's values in deploy/helm/README.md, made of `values.yaml`: `python -m docs.made.chart` writes it there."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

TREE = Path(__file__).resolve().parents[2]
VALUES = TREE / "deploy" / "helm" / "dure" / "values.yaml"
README = TREE / "deploy" / "helm" / "README.md"

BEGINS, ENDS = "<!-- values: made by `python -m docs.made.chart` -->\n", "<!-- end of values -->\n"

_KEY = re.compile(r"(?P<indent> *)(?P<name>[A-Za-z0-9]+):")
_SAID = re.compile(r" *# -- (?P<sentence>.+)")


class Value(NamedTuple):
    """One that has a sentence, by its path from the top."""

    path: tuple[str, ...]
    sentence: str
    default: Any


def values(text: str) -> list[Value]:
    """Of a `values.yaml`, in its order. A sentence is the line before its value."""
    return list(_said(text.splitlines(), yaml.safe_load(text)))


def _said(lines: Sequence[str], found: Any) -> Iterator[Value]:
    path: list[str] = []
    sentence = None
    for line in lines:
        if said := _SAID.fullmatch(line):
            sentence = said["sentence"]
        elif key := _KEY.match(line):
            path = [*path[: len(key["indent"]) // 2], key["name"]]
            if sentence is not None:
                yield Value(tuple(path), sentence, _at(found, path))
            sentence = None


def _at(found: Any, path: Sequence[str]) -> Any:
    for name in path:
        found = found[name]
    return found


def table(found: Sequence[Value]) -> str:
    """A row for each value, with what it is where nothing is said."""
    rows = [f"| `{'.'.join(one.path)}` | {_default(one.default)} | {_cell(one.sentence)} |" for one in found]
    return "\n".join(["| value | default | what it is for |", "| --- | --- | --- |", *rows]) + "\n"


def _default(default: Any) -> str:
    return "" if default == "" else f"`{_cell(json.dumps(default, ensure_ascii=False))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page(readme: str, text: str) -> str:
    """The README with the table of these values between its two marks. Raises ValueError where it has not both."""
    before, begins, rest = readme.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not begins or not ends:
        raise ValueError(f"the page has not both of {BEGINS!r} and {ENDS!r}")
    return f"{before}{BEGINS}\n{table(values(text))}\n{ENDS}{after}"


if __name__ == "__main__":
    README.write_text(page(README.read_text(), VALUES.read_text()))
