"""dure violations: who is on a GPU that no lease explains."""

from itertools import islice
from typing import Annotated

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Adds the command to `dure` itself."""
    command(app, "violations")(violations)


def violations(
    terminal: Terminal,
    *,
    node: Annotated[str | None, typer.Option(metavar="NODE", help="Of this node alone.")] = None,
    past: Annotated[bool, typer.Option("--past", help="Those that are over, too.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many at most.")] = 50,
) -> None:
    """Show who is on GPUs that no lease explains.

    Newest first: where, who, since when, the evidence, and what is done about it. For admins, operators and auditors.
    """
    from dure import wire
    from dure.render import violations as render

    if node is not None:
        limits.name("--node", node, limits.NODE)
    with terminal.client() as client:
        found = client.violations(node=node, open=not past, page_size=min(limit, 200))
        terminal.show_all(islice(found, limit), wire.Page[wire.Violation], render.violations)
