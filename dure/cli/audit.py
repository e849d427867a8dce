"""dure audit: who did what, when and why."""

from itertools import islice
from typing import Annotated

import typer

from dure.cli.command import command
from dure.cli.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Adds the command to `dure` itself."""
    command(app, "audit")(audit)


def audit(
    terminal: Terminal,
    *,
    actor: Annotated[
        str | None,
        typer.Option(metavar="WHO", help="Done by: a role, company:acme, or the whole of it with the token."),
    ] = None,
    action: Annotated[
        str | None,
        typer.Option(metavar="ACTION", help="What was done: quota.set, or a word of it: quota, policy, drain."),
    ] = None,
    subject: Annotated[
        str | None, typer.Option(metavar="ID", help="To what: a lease, a token, a node, acme/h100-80gb.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help='From when on, for example "today".')] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Up to when.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many at most.")] = 50,
) -> None:
    """Show who did what, when and why.

    Newest first, with what it was before and after. For admins, operators and auditors.
    """
    from dure import wire
    from dure.render import audits

    begin, end = terminal.instant("--since", since), terminal.instant("--until", until)
    with terminal.client() as client:
        found = client.audit(
            actor=actor, action=action, subject=subject, since=begin, until=end, page_size=min(limit, 200)
        )
        terminal.show_all(islice(found, limit), wire.Page[wire.AuditEntry], audits.audit)
