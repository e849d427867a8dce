"""What a measure found: shown as a table, kept as JSON beside the machine it was found on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench import machine

FOLDER = Path(__file__).parent / "results"

Value = str | int | float
Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One measure's rows, all with the same columns. `settings` is what it was asked for, `machine` where it ran."""

    measure: str
    settings: Row
    machine: Row
    rows: Sequence[Row]
    notes: Row = field(default_factory=dict[str, Value])
    at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))


def table(result: Result) -> str:
    """For people; also what is copied into the README."""
    columns = list(result.rows[0])
    cells = [columns, *([_shown(row[column]) for column in columns] for row in result.rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(columns))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    rule = " | ".join("-" * width for width in widths)
    title = f"{result.measure}: {_said(result.settings)}"
    under = [_said(found) for found in (result.notes, result.machine) if found]
    return "\n".join([title, *(f"| {line} |" for line in (lines[0], rule, *lines[1:])), *under])


def keep(result: Result) -> Path:
    """Writes the result to a file of its own and answers where, from the root of the tree."""
    FOLDER.mkdir(exist_ok=True)
    size = f"-{result.settings['gpus']}" if "gpus" in result.settings else ""
    found = {
        "measure": result.measure,
        "at": result.at.isoformat(),
        "commit": machine.commit(),
        "machine": dict(result.machine),
        "settings": dict(result.settings),
        "rows": [dict(row) for row in result.rows],
        "notes": dict(result.notes),
    }
    path = _written(f"{result.at:%Y%m%dT%H%M%SZ}-{result.measure}{size}", json.dumps(found, indent=1) + "\n")
    return path.relative_to(machine.TREE)


def _written(name: str, text: str) -> Path:
    """A new file; what was measured in the same second keeps its own."""
    for after in ("", *(f"-{k}" for k in range(2, 100))):
        path = FOLDER / f"{name}{after}.json"
        try:
            with path.open("x") as file:
                file.write(text)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"a hundred results are called {name}: remove some from {FOLDER}")


def _said(values: Row) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in values.items())


def _shown(value: Value) -> str:
    """Three digits of a measured number say all there is to say."""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)
