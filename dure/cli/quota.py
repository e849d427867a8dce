"""dure quota: how many GPUs a company may hold at once."""

from typing import Annotated

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.terminal import Terminal

app = typer.Typer(help="Quotas: how many GPUs of a pool a company may hold at once.", no_args_is_help=True)

Company = Annotated[str, typer.Argument(metavar="COMPANY", help="The company.")]


@command(app, "set", changes=True)
def put(
    terminal: Terminal,
    company: Company,
    pool: Annotated[str, typer.Argument(metavar="POOL", help="The pool.")],
    gpus: Annotated[
        int, typer.Option(metavar="N", help="GPUs at once, at every instant; 0 closes the pool to the company.")
    ],
) -> None:
    """Set a quota.

    Promises already given stay.
    """
    from dure import wire
    from dure.render import companies

    limits.name("COMPANY", company, limits.COMPANY)
    limits.name("POOL", pool, limits.POOL)
    with terminal.client() as client:
        found = client.set_quota(company, pool, wire.QuotaSet(gpus=gpus))
    terminal.show(found, lambda _: companies.quota(found))


@command(app, "show")
def show(terminal: Terminal, company: Company) -> None:
    """Show a company's quotas.

    Beside each: what it holds now, and the most it has booked at any instant.
    """
    from dure import wire
    from dure.render import companies

    limits.name("COMPANY", company, limits.COMPANY)
    with terminal.client() as client:
        terminal.show_all(client.quotas(company), wire.Page[wire.Quota], companies.quotas)
