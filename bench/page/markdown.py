"""Tables and figures as the page writes them."""

from collections.abc import Sequence

from bench.page.kept import Kept
from bench.results import Row, Value


def table(rows: Sequence[Row]) -> str:
    """All rows have the columns of the first."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([shown(row[column]) for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(value: Value) -> str:
    """Three digits of what was measured; whole numbers whole."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value.replace("|", "\\|")


def missing(command: str) -> str:
    return f"*Not measured yet: no result of `{command}` is kept.*"


def disturbed(command: str, kept: Sequence[Kept]) -> str:
    """In place of results that are all from a busy machine: which, and how busy."""
    each = ", ".join(
        f"{one.at} at a load of {shown(one.machine['load_before'])} on {shown(one.machine['cores'])} cores"
        for one in kept
    )
    return (
        f"*Not measured in peace yet: what is kept of `{command}` ({each}) is from a machine that had more to do than it has "
        "cores, so its times are left out.*"
    )
