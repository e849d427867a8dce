"""Tables and figures as the page writes them."""

from collections.abc import Sequence

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
