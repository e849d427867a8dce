"""Who uses a metric: the chart's dashboards, and what its alerts and recording rules ask, read as text, so that nothing has to be rendered."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "dure"

_PARTS = "(?:_bucket|_sum|_count)?"
_DEFINED = re.compile(r"^\{\{-? ?define ", re.MULTILINE)
_RULE = re.compile(r"^\s*-\s*(?:alert|record):\s*([A-Za-z][\w:]*)\s*$", re.MULTILINE)
_GIVEN = re.compile(r'"alert" "(\w+)"')
"""An alert whose rule is a template that is given its name: what gives it is its text, but for what a person is told."""
_ASKED = re.compile(r"^\s*expr:(.*?)(?=^\s*(?:for|labels|keep_firing_for|annotations):|\Z)", re.MULTILINE | re.DOTALL)
_TOLD = re.compile(r'^.*"(?:summary|description)" .*$', re.MULTILINE)


def dashboards(chart: Path = CHART) -> dict[str, str]:
    """Text by name; the files' names are the dashboards'."""
    return {path.stem: path.read_text() for path in sorted((chart / "dashboards").glob("*.json"))}


def rules(chart: Path = CHART) -> dict[str, str]:
    """Text by the name of the alert or the recorded series."""
    found: dict[str, str] = {}
    for path in sorted((chart / "templates" / "monitoring").glob("*")):
        for part in _DEFINED.split(path.read_text()):
            for name, text in _rules(part):
                found[name] = found.get(name, "") + text
    return found


def of(name: str, texts: Mapping[str, str]) -> list[str]:
    """The names of those whose text names the metric, a histogram's parts included, or a series that is recorded from it."""
    found: list[str] = []
    wanted = [name]
    while wanted:
        word = _word(wanted.pop())
        new = [user for user, text in texts.items() if user not in found and word.search(text)]
        found += new
        wanted += [user for user in new if ":" in user]
    return [user for user in texts if user in found]


def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9_:]){re.escape(name)}{_PARTS}(?![A-Za-z0-9_:])")


def _rules(text: str) -> Iterator[tuple[str, str]]:
    found = list(_RULE.finditer(text))
    ends = (*(one.start() for one in found[1:]), len(text))
    for rule, end in zip(found, ends, strict=False):
        yield rule.group(1), " ".join(_ASKED.findall(text[rule.end() : end]))
    for given in _GIVEN.finditer(text):
        yield given.group(1), _TOLD.sub("", text)
