"""Errors on their way out: as sentences on stderr, or with --json as the problem on stdout. And the exit code."""

from typing import TYPE_CHECKING

from dure.cli import exits
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from dure.errors import DureError


def answer(error: Exception, terminal: Terminal) -> int | None:
    """Shows the error and gives its exit code; None, and nothing shown, for one that is nobody's mistake but ours."""
    from pydantic import ValidationError

    from dure.config import ConfigError
    from dure.errors import DureError, InvalidRequest
    from dure.wire import FieldError

    match error:
        case DureError():
            code, problem = exits.of(error), error
        case ValidationError():
            code, problem = exits.INVALID, invalid(error)
        case BadUsage():
            fields = [FieldError(field=error.option, message=error.detail)]
            code, problem = exits.USAGE, InvalidRequest(str(error), errors=fields)
        case ConfigError():
            code, problem = exits.USAGE, InvalidRequest(str(error))
        case _:
            return None
    _show(problem, terminal, usage=code == exits.USAGE)
    return code


def invalid(error: "ValidationError") -> "DureError":
    """Values that do not make a wire type, in the words in which the server would refuse them."""
    from dure.errors import InvalidRequest
    from dure.wire import FieldError

    found = [
        FieldError(field=".".join(str(part) for part in one["loc"]) or error.title, message=_message(one))
        for one in error.errors(include_url=False)
    ]
    return InvalidRequest("some values are wrong", errors=found)


def _message(found: "ErrorDetails") -> str:
    if found["type"] == "string_pattern_mismatch":
        return f"{found['input']!r} does not match {found.get('ctx', {}).get('pattern')}"
    return found["msg"]


def _show(error: "DureError", terminal: Terminal, *, usage: bool) -> None:
    if terminal.flags.json:
        terminal.show_json(error.problem())
    elif usage:
        terminal.note(f"error: {error.detail}")
    else:
        from dure.render.decisions import problem_lines

        for line in problem_lines(error, _zone(terminal)):
            terminal.note(line)


def _zone(terminal: Terminal) -> "ZoneInfo | None":
    from dure.config import ConfigError

    try:
        return terminal.context.zone
    except ConfigError:
        return None
