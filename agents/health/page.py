"""Writes the tables of docs/health.md out of `verdicts.json`: `python -m agents.health.page`. Never run on a node."""

import sys
from collections.abc import Iterable
from pathlib import Path

from agents.health.verdicts import Rule, Table, load

PAGE = Path(__file__).parents[2] / "docs" / "health.md"

BEGIN, END = "<!-- begin: made by python -m agents.health.page -->", "<!-- end -->"

DONE = {"none": "nothing", "no_new_leases": "no new leases", "move_leases": "move leases", "drain_node": "drain node"}
BACK = {"none": "", "restart_app": "processes gone", "time": "time"}


def tables(table: Table) -> str:
    """Readings first, then XIDs, each by name or number."""
    readings = ["| Reading | What it is | Counts when | Verdict | Done | Way back |", "|---|---|---|---|---|---|"]
    readings += [f"| `{key}` | {rule.meaning} | {_counts(rule)} | {_ends(rule)} |" for key, rule in table.rules.items()]
    xids = ["| XID | NVIDIA's name | What it is | Verdict | Done | Way back |", "|---|---|---|---|---|---|"]
    xids += [f"| {xid} | `{rule.name}` | {rule.meaning} | {_ends(rule)} |" for xid, rule in sorted(table.xids.items())]
    return _lines(["### Readings", "", *readings, "", "### XIDs", "", *xids])


def rendered(page: str, table: Table) -> str:
    """The page with its tables made anew. Raises ValueError where it has no place for them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{tables(table)}\n{END}{after}"


def _counts(rule: Rule) -> str:
    if rule.per_s:
        return f"{rule.at_least} more within {rule.per_s} s"
    return f"it lasts {rule.lasting_s} s" if rule.lasting_s else "at once"


def _ends(rule: Rule) -> str:
    return f"{rule.verdict} | {DONE[rule.action]} | {BACK.get(rule.back, rule.back)}"


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def main() -> int:
    PAGE.write_text(rendered(PAGE.read_text("utf-8"), load()), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
