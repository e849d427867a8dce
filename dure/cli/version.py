"""dure version: which dure this is."""

import typer

from dure.cli.command import command
from dure.cli.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Adds the command to `dure` itself."""
    command(app, "version")(version)


def version(terminal: Terminal) -> None:
    """Show which dure this is; needs no server."""
    import json
    from importlib.metadata import version as installed

    found = installed("dure")
    typer.echo(json.dumps({"version": found}) if terminal.flags.json else f"dure {found}")
