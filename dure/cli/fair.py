"""dure fair: who is served first where a pool is contended, and why."""

from typing import Annotated

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.terminal import Terminal

app = typer.Typer(help="Fair share: who is served first, and why.", no_args_is_help=True)


@command(app, "show")
def show(terminal: Terminal, pool: Annotated[str, typer.Argument(metavar="POOL", help="The pool.")]) -> None:
    """Show each company's share, use and rank, and why.

    In the order in which the pool's queue is served. A company sees itself alone.
    """
    from dure.render import shares as render

    limits.name("POOL", pool, limits.POOL)
    with terminal.client() as client:
        found = client.fair(pool)
    terminal.show(found, lambda view: render.fair(found, view))
