"""Where everything that tests want is installed, a skip is a test that was not run: it fails, or is allowed by name."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import pytest

FORBIDDEN = os.environ.get("DURE_TEST_NO_SKIPS", "") not in ("", "0")

ALLOWED = Path(__file__).with_name("allowed_skips.txt")

R = TypeVar("R", pytest.TestReport, pytest.CollectReport)


def judge(report: R, nodeid: str, *, forbidden: bool = FORBIDDEN, allowed: Iterable[str] | None = None) -> R:
    """The report, failed if it is a skip that is forbidden here. An expected failure is no skip."""
    names = read(ALLOWED.read_text()) if allowed is None else allowed
    if forbidden and report.skipped and not hasattr(report, "wasxfail") and not _named(nodeid, names):
        why = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{why}\n(a skip is a failure here, unless {ALLOWED.name} names the test)"
    return report


def read(text: str) -> list[str]:
    """The names in the file: the first part of each line, up to `#`."""
    return [name for line in text.splitlines() if (name := line.partition("#")[0].strip())]


def _named(nodeid: str, names: Iterable[str]) -> bool:
    return any(nodeid == name or nodeid.startswith((f"{name}::", f"{name}[")) for name in names)
