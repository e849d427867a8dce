"""Errors on their way out: as sentences on stderr, or with --json as the problem on stdout. And the exit code."""

from typing import TYPE_CHECKING

from dure.cli import exits, limits
from dure.cli.terminal import BadFile, BadUsage, Terminal

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from pydantic import ValidationError

    from dure.errors import DureError


def answer(error: Exception, terminal: Terminal) -> int | None:
    """Shows the error and gives its exit code; None, and nothing shown, for one that is nobody's mistake but ours."""
    from pydantic import ValidationError

    from dure.config import ConfigError
    from dure.errors import ClusterRefused, DureError, InvalidRequest
    from dure.kubectl import Failed, Missing
    from dure.wire import FieldError

    match error:
        case DureError():
            code, problem = exits.of(error), error
        case ValidationError():
            code, problem = exits.USAGE, invalid(error)
        case BadUsage():
            fields = [FieldError(field=error.option, message=error.detail)]
            code, problem = exits.USAGE, InvalidRequest(str(error), errors=fields)
        case BadFile():
            fields = [FieldError(field=where, message=message) for where, message in error.mistakes]
            code, problem = exits.USAGE, InvalidRequest(str(error), errors=fields)
        case ConfigError() | Missing():
            code, problem = exits.USAGE, InvalidRequest(str(error))
        case Failed():
            code, problem = exits.KUBECTL, ClusterRefused(str(error))
        case _:
            return None
    _show(problem, terminal, usage=code == exits.USAGE)
    return code


def invalid(error: "ValidationError") -> "DureError":
    """Values that do not make a wire type, said as the options and arguments that they came from."""
    from dure.errors import InvalidRequest
    from dure.wire import FieldError

    found = [FieldError(field=option, message=message) for option, message in limits.of(error)]
    return InvalidRequest("; ".join(f"{one.field}: {one.message}" for one in found), errors=found)


def _show(error: "DureError", terminal: Terminal, *, usage: bool) -> None:
    if terminal.flags.json:
        terminal.show_json(error.problem())
    elif usage:
        for said in [f"{one.field}: {one.message}" for one in error.errors] or [error.detail]:
            terminal.note(f"error: {said}")
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
