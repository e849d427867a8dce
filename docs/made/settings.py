"""Writes docs/settings.md from the classes that the processes read their environment into:
`python -m docs.made.settings > docs/settings.md`. A test compares the file with what this makes.
"""

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import get_type_hints

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from agents import settings as agents
from api.__main__ import SHARED as API_SHARED
from api.settings import ApiSettings
from deploy.demo import cluster as demo
from deploy.local import settings as local
from deploy.local.settings import LocalSettings
from docs.made import values
from dure.config import Environment
from scheduler import compiled
from scheduler.__main__ import SHARED as SCHEDULER_SHARED
from scheduler.compiled import Compiled
from scheduler.settings import Settings

_HEAD = """\
# Settings

Written by `python -m docs.made.settings > docs/settings.md` from the code itself; a test keeps it so.

Every process is told by its environment, reads it once as it starts, and says what is wrong by its name: a variable that begins with `DURE_` and
is nobody's setting is an error (for `dure`, in each command that asks the API), so a misspelled one is not overlooked. Files that settings name (a database's URL, certificates, tokens) are
read again while a process runs, where the meaning says so.

A process that is not named here for a variable ignores it. `compile` is `python -m scheduler compile`; `dure` is the command line, whose
[other ways to be told](cli.md#context) come before and after; `make up` and `make demo` are for one's own machine.

| variable | process | takes | unless said | meaning |
|---|---|---|---|---|
"""

_DEMO = "an administrator's kubeconfig: each lease of the demo gets a Job on that cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A setting as one process has it."""

    variable: str
    process: str
    takes: str
    unless_said: str
    meaning: str


def markdown() -> str:
    """The whole page. Raises ValueError for a setting that says nothing of what it is."""
    return _HEAD + "".join(f"{_line(rows)}\n" for rows in _together(_rows()))


def _rows() -> Iterator[Row]:
    yield from _of(ApiSettings, "api", prefix="DURE_API_", shared=API_SHARED)
    yield from _of(Settings, "scheduler", prefix="DURE_SCHEDULER_", shared=SCHEDULER_SHARED)
    yield from _of(Compiled, "compile", prefix=compiled.PREFIX)
    yield from _of_agents()
    yield from _of(Environment, "dure", prefix="DURE_")
    yield from _of(LocalSettings, "make up", prefix=local.PREFIX, shared=local.SHARED)
    yield Row(variable=demo.SETTING, process="make demo", takes="a path", unless_said="–", meaning=_DEMO)


def _of(settings: type[BaseModel], process: str, *, prefix: str, shared: Iterable[str] = ()) -> Iterator[Row]:
    """Of a class that `dure.environment` reads."""
    for name, field in settings.model_fields.items():
        variable = f"DURE_{name.upper()}" if name in shared else f"{prefix}{name.upper()}"
        if not field.description:
            raise ValueError(f"{settings.__name__}.{name} has no description")
        yield Row(
            variable=variable,
            process=process,
            takes=values.taken(field.annotation, field.metadata),
            unless_said="see there" if field.default_factory else _default(field.default),
            meaning=field.description,
        )


def _of_agents() -> Iterator[Row]:
    """Of the agent, whose settings are read without pydantic: bounds are what its readers close over."""
    unsaid = agents.Settings()
    for name, kind in get_type_hints(agents.Settings).items():
        setting = agents.SETTINGS[name]
        bounds = inspect.getclosurevars(setting.read).nonlocals if inspect.isfunction(setting.read) else {}
        yield Row(
            variable=agents.name_of(name),
            process="agent",
            takes=values.between(kind, bounds.get("least"), bounds.get("most")),
            unless_said=_default(getattr(unsaid, name)),
            meaning=setting.about,
        )


def _default(value: object) -> str:
    if value is PydanticUndefined:
        return "has to be said"
    said = values.said(value)
    return f"`{said}`" if said else "–"


def _together(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """What is the same setting of several processes is one line."""
    same: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        same.setdefault((row.variable, row.takes, row.unless_said, row.meaning), []).append(row)
    # First those that several processes have; then each process's own, in its order.
    return iter(sorted(same.values(), key=lambda found: len(found) == 1))


def _line(rows: list[Row]) -> str:
    row = rows[0]
    cells = (
        f"`{row.variable}`",
        ", ".join(one.process for one in rows),
        row.takes,
        row.unless_said,
        row.meaning,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(markdown(), end="")
