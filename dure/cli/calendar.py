"""dure calendar: a pool over time."""

from datetime import timedelta
from typing import Annotated

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.policy_said import seconds
from dure.cli.terminal import BadUsage, Terminal

LONGEST = timedelta(days=62)
"""What the API shows at most."""


def register(app: typer.Typer) -> None:
    """Adds the command to `dure` itself."""
    command(app, "calendar")(calendar)


def calendar(
    terminal: Terminal,
    pool: Annotated[str, typer.Argument(metavar="POOL", help="The pool.")],
    *,
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="How much time to show.")] = "24h",
    since: Annotated[str | None, typer.Option(metavar="TIME", help="From when on; else from now.")] = None,
) -> None:
    """Show a pool over time.

    A row a node, the darker the fuller, and who has what when.
    """
    from dure.render import calendars

    limits.name("POOL", pool, limits.POOL)
    length = timedelta(seconds=seconds("--for", duration))
    begin = terminal.instant("--since", since) or terminal.now.replace(microsecond=0)
    if not terminal.now < begin + length:
        raise BadUsage("--for", "what is shown would be over by now, and the calendar begins now; for example 24h")
    if begin + length > max(begin, terminal.now) + LONGEST:
        raise BadUsage("--for", "at most 62d are shown; for example 24h")
    with terminal.client() as client:
        found = client.calendar(pool, since=begin, until=begin + length)
    terminal.show(found, lambda view: calendars.calendar(found, view))
