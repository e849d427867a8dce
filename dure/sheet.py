"""A report as comma-separated values (RFC 4180), for spreadsheets: by what it is cut, then the numbers.

The total has no row, so that a column may be added up. What is not known is empty.
"""

import csv
import io

from dure import wire

_KEYS: tuple[wire.ReportCut, ...] = ("day", "group", "company", "pool", "lease")
_NUMBERS = tuple(wire.ReportSum.model_fields)


def columns(report: wire.UsageReport) -> list[str]:
    """A lease's rows say its company and its pool too."""
    beside = {"company", "pool"} if "lease" in report.by else set[str]()
    return [*(name for name in _KEYS if name in report.by or name in beside), *_NUMBERS]


def text(report: wire.UsageReport) -> str:
    """A line of names, then the rows."""
    names, made = columns(report), io.StringIO()
    writer = csv.writer(made)
    writer.writerow(names)
    writer.writerows([getattr(row, name) for name in names] for row in report.rows)
    return made.getvalue()
