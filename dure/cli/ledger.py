"""dure ledger: what became of every GPU-second."""

from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Annotated

import typer

from dure.cli import exits, lease_said, limits
from dure.cli.command import command
from dure.cli.terminal import BadUsage, Terminal

app = typer.Typer(help="The ledger: what became of every GPU-second.", no_args_is_help=True)

Company = Annotated[str, typer.Argument(metavar="COMPANY", help="The company.")]
Pool = Annotated[str, typer.Argument(metavar="POOL", help="The pool.")]


@command(app, "show")
def show(
    terminal: Terminal,
    company: Company,
    pool: Pool,
    *,
    lease: Annotated[str | None, typer.Option(metavar="LEASE", help="Of this lease alone, by its id or name.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help='From when on, for example "today".')] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Up to when.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many at most.")] = 50,
) -> None:
    """Show a company's entries in a pool.

    Newest first: what was taken from which balance and given to which, why, and what is left. A company sees its own.
    """
    from dure import wire
    from dure.render import ledger

    limits.name("COMPANY", company, limits.COMPANY)
    limits.name("POOL", pool, limits.POOL)
    begin, end = terminal.instant("--since", since), terminal.instant("--until", until)
    with terminal.client() as client:
        lease_id = None if lease is None else lease_said.id_of(client, lease, option="--lease")
        found = client.ledger(pool, company=company, lease=lease_id, since=begin, until=end, page_size=min(limit, 200))
        terminal.show_all(islice(found, limit), wire.Page[wire.LedgerEntry], ledger.entries)


@command(app, "verify")
def verify(
    terminal: Terminal,
    company: Annotated[str | None, typer.Argument(metavar="[COMPANY]", help="This company's; else all.")] = None,
    pool: Annotated[str | None, typer.Argument(metavar="[POOL]", help="In this pool; else in all.")] = None,
) -> None:
    """Add the ledger up again.

    Every entry after the one before it, every account from its entries, every lease from its box. Exits with 1 where
    something does not add up, and names it.
    """
    from dure.render import ledger

    company = limits.maybe("COMPANY", company, limits.COMPANY)
    pool = limits.maybe("POOL", pool, limits.POOL)
    with terminal.client() as client:
        found = client.verify_ledger(company=company, pool=pool)
    terminal.show(found, lambda view: ledger.check(found, view))
    if found.faults:
        raise typer.Exit(exits.OURS)


@command(app, "adjust", changes=True)
def adjust(
    terminal: Terminal,
    company: Company,
    pool: Pool,
    *,
    gpu_hours: Annotated[
        str, typer.Option(metavar="+H|-H", help="GPU-hours to give or to take, to the GPU-second: +10, -2.5.")
    ],
) -> None:
    """Give to a company's account, or take from it.

    For admins, and with --why: it stays in the ledger. No more is taken than is available.
    """
    from dure import wire
    from dure.render import ledger

    limits.name("COMPANY", company, limits.COMPANY)
    limits.name("POOL", pool, limits.POOL)
    terminal.needs_why("two hours were lost on Monday", kept_in="the ledger")
    body = wire.LedgerAdjust(company=company, pool=pool, gpu_seconds=_gpu_seconds(gpu_hours))
    with terminal.client() as client:
        found = client.adjust_ledger(body)
    terminal.show(found, lambda view: ledger.entry(found, view))


_LARGEST = 10**18
"""Larger than what any account takes, and small enough to be written out."""


def _gpu_seconds(hours: str) -> int:
    """Of GPU-hours as a person writes them. Raises BadUsage where they are not whole GPU-seconds."""
    try:
        seconds = Decimal(hours) * 3600
        if abs(seconds) < _LARGEST and seconds == seconds.to_integral_value():
            return int(seconds)
    except InvalidOperation:
        pass
    raise BadUsage("--gpu-hours", f"{hours} is no number of whole GPU-seconds; for example +10, -2.5 or 0.25")
