"""dure status: the whole house on one screen."""

import typer

from dure.cli.command import command
from dure.cli.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Adds the command to `dure` itself."""
    command(app, "status")(status)


def status(terminal: Terminal) -> None:
    """Show all pools on one screen.

    What is free now, and what starts and what ends next.
    """
    from dure import wire
    from dure.render import status as render

    class Status(wire.Wire):
        pools: list[wire.Pool]
        calendars: list[wire.Calendar]

    with terminal.client() as client:
        pools = list(client.pools())
        calendars = [client.calendar(pool.name) for pool in pools]
    found = Status(pools=pools, calendars=calendars)
    terminal.show(found, lambda view: render.status(pools, calendars, view))
