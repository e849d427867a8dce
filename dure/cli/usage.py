"""dure usage: GPU-seconds by company and pool."""

from typing import Annotated

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Adds the command to `dure` itself."""
    command(app, "usage")(usage)


def usage(
    terminal: Terminal,
    *,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help='From when on, for example "2026-11-01"; else the last 30 days.')
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Up to when; else up to now.")] = None,
    company: Annotated[str | None, typer.Option(metavar="COMPANY", help="For admins: only this company's.")] = None,
) -> None:
    """Show what was used.

    GPU-seconds leased, of them busy, idle and unknown, and lost, by company and pool. They add up to the second.
    """
    from dure.render import reports

    company = limits.maybe("--company", company, limits.COMPANY)
    begin, end = terminal.instant("--since", since), terminal.instant("--until", until)
    with terminal.client() as client:
        found = client.usage(since=begin, until=end, company=company)
    terminal.show(found, lambda view: reports.usage(found, view))
