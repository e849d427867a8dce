"""docs/metrics.md names every metric that the code makes, and none that it does not."""

import re
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]
SOURCES = (
    "scheduler/metrics.py",
    "scheduler/webhooks/metrics.py",
    "scheduler/kube/metrics.py",
    "api/metrics.py",
    "agents/metrics/series.py",
)


def _made() -> set[str]:
    found = {name for source in SOURCES for name in re.findall(r'"(dure_[a-z_]+)"', (TREE / source).read_text())}
    return {name.removesuffix("_total") for name in found}


def _told() -> set[str]:
    page = (TREE / "docs" / "metrics.md").read_text()
    return {name.removesuffix("_total") for name in re.findall(r"`(dure_[a-z_]+)`", page) if name != "dure_"}


def test_the_page_and_the_code_name_the_same_metrics() -> None:
    assert _told() == _made()
