"""dure events: what happened, and what happens."""

from collections import deque
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dure import wire
    from dure.errors import DureError

SHOWN = timedelta(hours=24)
MOST = 10_000
"""Events that one list shows."""


def register(app: typer.Typer) -> None:
    """Adds the command to `dure` itself."""
    command(app, "events")(events)


def events(
    terminal: Terminal,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what happens, until Ctrl-C.")] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="From when on. Else the last 24 hours, or with --follow from now."),
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="EVENT", help="After the event of this id: no gap and none twice.")
    ] = None,
    company: Annotated[str | None, typer.Option(metavar="COMPANY", help="For admins: only this company's.")] = None,
    pool: Annotated[str | None, typer.Option(metavar="POOL", help="Only in this pool.")] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=MOST, help="The last N, else 50; with --follow end after N of them."),
    ] = None,
) -> None:
    """List what happened to leases, in order.

    With --follow a line for each event as it comes; where the connection breaks it goes on after the last one.
    """
    limits.maybe("--company", company, limits.COMPANY)
    limits.maybe("--pool", pool, limits.POOL)
    limits.maybe("--after", after, limits.EVENT)
    if since is not None and after is not None:
        raise BadUsage("--after", "say --since or --after, not both")
    if follow:
        _follow(terminal, company, pool, since, after, limit)
    else:
        _list(terminal, company, pool, since, after, limit or 50)


def _list(
    terminal: Terminal, company: str | None, pool: str | None, since: str | None, after: str | None, limit: int
) -> None:
    from dure import wire
    from dure.render import events as render

    begin = terminal.instant("--since", since)
    if begin is None and after is None:
        begin = terminal.now.replace(microsecond=0) - SHOWN
    with terminal.client() as client:
        counted = 0
        kept: deque[wire.Event] = deque(maxlen=limit)
        for event in client.events(company=company, pool=pool, since=begin, after=after):
            counted += 1
            kept.append(event)
    terminal.show_all(kept, wire.Page[wire.Event], render.events)
    if counted > limit and not terminal.flags.json:
        typer.echo(f"{counted - limit} before these are not shown: --limit {min(counted, MOST)}")


def _follow(
    terminal: Terminal,
    company: str | None,
    pool: str | None,
    since: str | None,
    after: str | None,
    limit: int | None,
) -> None:
    from dure.render import events as render

    def broken(error: "DureError") -> None:
        terminal.note(f"still following: {error}")

    begin = terminal.instant("--since", since)
    with terminal.client() as client:
        found: Iterator[wire.Event] = client.follow_events(
            company=company, pool=pool, since=begin, after=after, now=terminal.outside.now, broken=broken
        )
        for event in islice(found, limit):
            if terminal.flags.json:
                terminal.show_json(event)
            else:
                terminal.show_line(render.line(event, terminal.view(terminal.outside.now())))
