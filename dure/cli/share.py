"""dure share: what companies are entitled to of a pool where not everybody can have what they want."""

from typing import Annotated

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.terminal import Terminal

app = typer.Typer(help="Shares: what companies are entitled to of a pool.", no_args_is_help=True)

NONE = "none"
"""The word for a company that is in no group."""

Company = Annotated[str, typer.Argument(metavar="COMPANY", help="The company.")]
Pool = Annotated[str, typer.Argument(metavar="POOL", help="The pool.")]
Shares = Annotated[int, typer.Option(metavar="N", help="Its weight beside the others; 1 where nobody says one.")]


@command(app, "set", changes=True)
def put(
    terminal: Terminal,
    company: Company,
    pool: Pool,
    *,
    shares: Shares,
    group: Annotated[
        str | None, typer.Option(metavar="GROUP", help="The group that it shares with; none where nothing is said.")
    ] = None,
) -> None:
    """Set a company's shares of a pool.

    They count where the pool's policy says what contended is (dure pool policy --contended). What is promised already
    stays promised.
    """
    from dure import wire
    from dure.render import shares as render

    limits.name("COMPANY", company, limits.COMPANY)
    limits.name("POOL", pool, limits.POOL)
    body = wire.ShareSet(shares=shares, group=None if group == NONE else group)
    with terminal.client() as client:
        found = client.set_share(company, pool, body)
    terminal.show(found, lambda view: render.share(found, view))


@command(app, "remove", changes=True)
def remove(terminal: Terminal, company: Company, pool: Pool) -> None:
    """Take a company's shares of a pool away.

    It has one share beside the groups then, as who never had any.
    """
    from dure.render import shares as render

    limits.name("COMPANY", company, limits.COMPANY)
    limits.name("POOL", pool, limits.POOL)
    with terminal.client() as client:
        found = client.remove_share(company, pool)
    terminal.show(found, lambda view: render.share(found, view))


@command(app, "group", changes=True)
def put_group(
    terminal: Terminal,
    pool: Pool,
    group: Annotated[str, typer.Argument(metavar="GROUP", help="Its name, for example seed.")],
    *,
    shares: Shares,
) -> None:
    """Make a group of companies, or give it other shares.

    What the group gets is divided among its companies by their own shares.
    """
    from dure import wire
    from dure.render import shares as render

    limits.name("POOL", pool, limits.POOL)
    limits.name("GROUP", group, limits.GROUP)
    with terminal.client() as client:
        found = client.set_share_group(pool, group, wire.ShareGroupSet(shares=shares))
    terminal.show(found, lambda _: render.group(found))
