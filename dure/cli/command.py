"""How a function becomes a command: it is given the Terminal, and the shared options go before or after its name."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from dure import mistakes
from dure.cli import failures
from dure.cli.terminal import BadUsage, Outside, Terminal

_PANEL = "Context (also before the command)"

Server = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Address of the API. Else DURE_SERVER, else config.toml.", rich_help_panel=_PANEL),
]
Token = Annotated[
    str | None,
    typer.Option(metavar="TOKEN", help="Bearer token. Else DURE_TOKEN, else config.toml.", rich_help_panel=_PANEL),
]
TokenFile = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="File that holds the token.", rich_help_panel=_PANEL),
]
Zone = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE",
        help="IANA zone of the times you read and write. Else DURE_ZONE, else config.toml, else the system's.",
        rich_help_panel=_PANEL,
    ),
]


def _words(text: str | None) -> str | None:
    """None for blanks alone, which say nothing."""
    return (text or "").strip() or None


Why = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="Why you do it: the audit log keeps it with what is changed.",
        rich_help_panel=_PANEL,
        callback=_words,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Answer in the API's own JSON; errors too, on stdout.", rich_help_panel=_PANEL),
]

_SHARED: dict[str, Any] = {
    "server": Server,
    "token": Token,
    "token_file": TokenFile,
    "zone": Zone,
    "why": Why,
    "json": Json,
}
_OF_CHANGES = frozenset({"why"})
"""Those of commands that change something; there is nothing to keep of the others."""


class _Command(TyperCommand):
    """Typer has pydantic read what is said."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = mistakes.plain(error.message)
            raise


def begin(ctx: typer.Context, flags: dict[str, Any]) -> None:
    """Keeps what was said before the command, for the command."""
    ctx.obj = (ctx.obj if isinstance(ctx.obj, Outside) else Outside(), flags)


def command(
    app: typer.Typer, name: str, *, changes: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Registers `run(terminal, ...)` as `name`. A parameter of its own wins over a shared option of the same name.

    Only one that `changes` something takes `--why`, because the audit log keeps it with what was changed.
    """

    def register(run: Callable[..., None]) -> Callable[..., None]:
        own = dict(inspect.signature(run).parameters)
        own.pop("terminal")
        left_out = own.keys() | (frozenset[str]() if changes else _OF_CHANGES)
        shared = {option: kind for option, kind in _SHARED.items() if option not in left_out}

        @functools.wraps(run)
        def invoke(ctx: typer.Context, **given: Any) -> None:
            said = {option: given.pop(option) for option in shared}
            terminal = _terminal(ctx, said)
            try:
                if terminal.flags.why is not None and not changes:
                    raise BadUsage(
                        "--why", "nothing is changed here, so there is nothing to keep it with; leave it out"
                    )
                run(terminal, **given)
            except Exception as error:
                code = failures.answer(error, terminal)
                if code is None:
                    raise
                raise typer.Exit(code) from error

        _describe(invoke, own, shared)
        app.command(name, cls=_Command)(invoke)
        return run

    return register


def _terminal(ctx: typer.Context, said: dict[str, Any]) -> Terminal:
    from dure.config import Flags

    outside, before = ctx.obj
    return Terminal(outside=outside, flags=Flags(**said).over(Flags(**before)))


def _describe(invoke: Callable[..., None], own: dict[str, inspect.Parameter], shared: dict[str, Any]) -> None:
    """Gives typer the signature that the command has on the command line."""
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("ctx", kind, annotation=typer.Context)]
    parameters += [parameter.replace(kind=kind) for parameter in own.values()]
    parameters += [
        inspect.Parameter(option, kind, annotation=annotation, default=False if option == "json" else None)
        for option, annotation in shared.items()
    ]
    invoke.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    invoke.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
