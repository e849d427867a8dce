"""Writes docs/cli.md from the commands themselves: `python -m dure.cli.docs > docs/cli.md`.

A test compares the file with what this makes, so it cannot be out of date.
"""

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from dure import times
from dure.cli import exits
from dure.cli.app import app

_HEAD = f"""\
# The command line

Written by `python -m dure.cli.docs > docs/cli.md` from the commands themselves; a test keeps it so.

## Context

Where a command goes and as whom is said, in this order of precedence, by options (before or after the command), by
`DURE_SERVER`, `DURE_TOKEN` and `DURE_ZONE`, or in `~/.config/dure/config.toml` (`DURE_CONFIG` names another file):

```toml
server = "http://127.0.0.1:8470"
token_file = "admin.token"        # beside this file; or token = "..."
zone = "Asia/Seoul"
```

A setting that nobody knows, in the file or in the environment, is an error that names it.

## Times, durations, shapes

- Times: {times.EXAMPLES}.
  A time without an offset is read in your zone; a weekday is the next one, a day without a time is its first second.
  What your clocks skip or pass twice is refused with what to write instead. Every time is answered in your zone with
  UTC beside it.
- Durations: 90s, 30m, 2h30m, 1d, 2w. Whole numbers with units, the largest first.
- Shapes: `8` is 8 GPUs in total on as few nodes as possible; `2x8` is 2 nodes with 8 GPUs each, all or nothing.

## A pool's policy

`dure pool policy` changes how a pool promises, `dure whatif --policy` says first what would be different. Under every rule an ask
that fits now starts now, and no promise gets later for anybody else's sake.

| | |
|---|---|
| `late-slots` | Promised is the earliest start and the slack. The slot is the last start up to then, so that the time before it stays open for others; as soon as it fits beside everybody's slot, it starts. Those who ask for more of the pool are tried first, then those who waited longest for their length. |
| `earliest-slot` | Promised is the earliest start, and nothing is moved afterwards: when something ends early, only new asks use it. |
| `only-earlier` | Promised is the earliest start; whenever room appears, all that wait are moved to their earliest slots, in order of arrival. |
| slack | By how much of its own length an ask that must wait may be promised later than its earliest start. More makes promises later and waits shorter; with 0% the promise is the earliest start. For `late-slots`. |
| reserve | `20%:1h`: leases longer than 1h together leave 20 % of the pool alone, so that short ones need not wait for them. |
| walk-in | `20%:1h`: 20 % of the pool [cannot be booked](walk-in.md) for a start that is more than 1h away. |
| seniority | Who has waited longer than that is moved to the earliest slot before all others, and keeps it. For `late-slots`. |
| extension closes | So long before its end a lease is extended no more. |
| renews before | So long before extending closes a lease that renews itself is extended, or a quarter of its length before if that is shorter. |

## Answers

People get text on stdout and errors on stderr. With `--json` a command prints the API's own type on stdout, a list as
one page that holds everything asked for, a watch one lease a line, a follow one event a line, and an error as a problem
(RFC 9457). Only a command line that cannot be read at all is told on stderr alone.

## Shell completion

`dure --install-completion` installs it for the shell you are in; `dure --show-completion` prints it.
"""


def markdown() -> str:
    """The whole page."""
    root: Any = typer.main.get_command(app)
    lines = [_HEAD, "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in exits.MEANINGS.items()]
    shared = [
        option for option in _parameters(root) if option.name in ("server", "token", "token_file", "zone", "json")
    ]
    lines += ["", "## Options of every command", "", *_table(shared), "", "## Commands"]
    for path, command in commands(root, "dure"):
        own = [option for option in _parameters(command) if option.help not in {one.help for one in shared}]
        lines += ["", f"### {path}", "", f"    {_usage(path, own)}", "", inspect.cleandoc(command.help), *_section(own)]
    return "\n".join(lines) + "\n"


def commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command below, with the words one types."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _parameters(command: Any) -> list[Any]:
    return [one for one in command.params if one.name != "help" and not getattr(one, "hidden", False)]


def _usage(path: str, own: list[Any]) -> str:
    words = [_words(one) if one.required else f"[{_words(one)}]" for one in own]
    return " ".join([path, *words])


def _words(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return parameter.metavar
    if parameter.is_flag:
        return " / ".join([parameter.opts[0], *parameter.secondary_opts])
    return f"{parameter.opts[0]} {parameter.metavar}"


def _section(own: list[Any]) -> list[str]:
    return ["", *_table(own)] if own else []


def _table(parameters: list[Any]) -> list[str]:
    return [
        "| | |",
        "|---|---|",
        *(f"| `{_cell(_words(one))}` | {_cell(one.help)}{_default(one)} |" for one in parameters),
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(parameter: Any) -> str:
    default = parameter.default
    return "" if default in (None, False) or callable(default) else f" Default: {default}."


if __name__ == "__main__":
    print(markdown(), end="")
