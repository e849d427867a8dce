"""docs/logs.md, from the calls that log: `python -m docs.made.logs > docs/logs.md`."""

import sys
from collections.abc import Iterable

from docs.made import log_calls, logged
from docs.made.logged import Line
from dure import log_lines

BEGIN = """\
# Log lines

Made from the code by `python -m docs.made.logs > docs/logs.md`; a test keeps it so.

Every process writes its log to stderr, an object of JSON a line. `action` says in one word what happened. **Words stay the same over
releases**, so alert on them, count them, and search for them; sentences (`event`) are for people and may change, and fields may be added.

    {"timestamp": "2026-11-30T20:01:31.591+00:00", "level": "info", "action": "sample.first", "event": "8 GPUs, driver simulated", "logger": "agents.sampler", "gpus": 8, "sees_processes": true}

Every line has `action`, `event`, `level` and `timestamp` (ISO 8601, UTC), in any order. Beside these:

- What the API says while it serves a request has `request_id`, the answer's `X-Request-Id`, and `trace_id` where [traces](operations.md#watch) are sent.
- `lease`, `company`, `pool`, `node` and `gpu` are names and ids as `dure` prints them.
- `exception` is a traceback.
- `logger` is the module that speaks: with an agent's lines, with libraries' and with those of [every process](#every-process).

The API and the scheduler write what is of level `info` and above, agents from [`DURE_AGENT_LOG_LEVEL`](settings.md) on. `…` stands for what only
the line itself knows. A word with two sentences is the same happening in two places. Not every line has every field.
"""

API_AND_SCHEDULER = """\
## The API and the scheduler

What is said of rows in the database may come from either. A `fault` is one that [`GET /v1/ledger/verify`](ledger.md) has.
"""

AGENTS = """\
## Agents

`fleet.*` is `python -m agents.fleet` alone, which reports for many simulated nodes.
"""

EVERY_PROCESS = """\
## Every process

Libraries are heard from `warning` on, an agent's from its `DURE_AGENT_LOG_LEVEL`. `uncaught` is a fault of ours.
"""

LIBRARY = Line(
    action=log_lines.LIBRARY,
    sentence="what a library says, or Python warns of; `logger` says whose it is",
    levels=log_calls.LEVELS,
    fields=("logger", "exception"),
)
"""No call of ours."""

_HEAD = "| action | level | sentence | other fields |\n|---|---|---|---|\n"


def page() -> str:
    """The whole page."""
    sections = (
        (API_AND_SCHEDULER, (*lines("api"), *lines("scheduler"))),
        (AGENTS, lines("agents")),
        (EVERY_PROCESS, (*lines("dure"), LIBRARY)),
    )
    return "\n".join((BEGIN, *(f"{words}\n{table(found)}" for words, found in sections)))


def lines(package: str) -> tuple[Line, ...]:
    """All that the calls of a package write."""
    return tuple(line for call in log_calls.found(package) for line in logged.lines(call))


def table(found: Iterable[Line]) -> str:
    """A row for each action and sentence, with the levels and fields of all calls that say so."""
    alike: dict[tuple[str, str], list[Line]] = {}
    for line in found:
        alike.setdefault((line.action, line.sentence), []).append(line)
    return _HEAD + "".join(f"{_row(alike[key])}\n" for key in sorted(alike))


def _row(alike: list[Line]) -> str:
    levels = [level for level in log_calls.LEVELS if any(level in line.levels for line in alike)]
    fields = dict.fromkeys(name for line in alike for name in line.fields)
    first = alike[0]
    told = (f"`{first.action}`", ", ".join(levels), first.sentence, ", ".join(_field(name) for name in fields))
    cells = " | ".join(cell.replace("|", r"\|") for cell in told)
    return f"| {cells} |"


def _field(name: str) -> str:
    return f"those of `{name[2:]}`" if name.startswith("**") else f"`{name}`"


if __name__ == "__main__":
    sys.stdout.write(page())
