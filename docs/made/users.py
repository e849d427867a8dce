"""Who uses a metric: the chart's dashboards, alerts and recording rules, read as text."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "dure"

_PARTS = "(?:_bucket|_sum|_count)?"
_RULE = re.compile(r"^\s*-\s*(?:alert|record):\s*(\S+)", re.MULTILINE)


def dashboards(chart: Path = CHART) -> dict[str, str]:
    """Text by name; the files' names are the dashboards'."""
    return {path.stem: path.read_text() for path in sorted((chart / "dashboards").glob("*.json"))}


def rules(chart: Path = CHART) -> dict[str, str]:
    """Text by the name of the alert or the recorded series."""
    path = chart / "templates" / "monitoring" / "rules.yaml"
    return dict(_rules(path.read_text())) if path.is_file() else {}


def of(name: str, texts: Mapping[str, str]) -> list[str]:
    """The names of those whose text names the metric, a histogram's parts included."""
    word = re.compile(rf"(?<![A-Za-z0-9_:]){name}{_PARTS}(?![A-Za-z0-9_:])")
    return [user for user, text in texts.items() if word.search(text)]


def _rules(text: str) -> Iterator[tuple[str, str]]:
    found = list(_RULE.finditer(text))
    ends = [one.start() for one in found[1:]] + [len(text)]
    bodies: dict[str, str] = {}
    for rule, end in zip(found, ends, strict=True):
        name = rule.group(1).strip("\"'")
        bodies[name] = bodies.get(name, "") + text[rule.end() : end]
    yield from bodies.items()
