"""dure status: the whole house on one screen."""

from typing import TYPE_CHECKING

import typer

from dure.cli import exits
from dure.cli.command import command
from dure.cli.terminal import Terminal

if TYPE_CHECKING:
    from dure import wire
    from dure.client import Client


def register(app: typer.Typer) -> None:
    """Adds the command to `dure` itself."""
    command(app, "status")(status)


def status(terminal: Terminal) -> None:
    """Show the whole house on one screen.

    Which version answers, who leads, the database, how many agents report and what needs somebody, for admins and operators;
    then all pools, what is free now, nodes that are out of service, and what starts and what ends next. Waits for the API for 10 s
    in all. Exits 6 where the database gives no answer.
    """
    from dure.render import status as render

    with terminal.looking() as client:
        checkup = checked(client)
        away = checkup is not None and checkup.database is None
        pools = None if away else list(client.pools())
        calendars = [client.calendar(pool.name) for pool in pools or ()]
        server = client.server
    found = render.Status(checkup=checkup, pools=pools, calendars=calendars)
    terminal.show(found, lambda view: render.status(found, server, view))
    if pools is None:
        raise typer.Exit(exits.UNAVAILABLE)


def checked(client: "Client") -> "wire.Checkup | None":
    """None for whom it is not, and of an API that is older than this."""
    from dure.errors import DureError

    try:
        return client.checkup()
    except DureError as error:
        if error.status in (403, 404):
            return None
        raise
