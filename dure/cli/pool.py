"""dure pool: interchangeable GPUs."""

from typing import Annotated

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.terminal import BadUsage, Terminal

app = typer.Typer(help="Pools: interchangeable GPUs of one product.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="POOL", help="Its name, for example h100-80gb.")]


@command(app, "add")
def add(
    terminal: Terminal,
    name: Name,
    *,
    product: Annotated[
        str, typer.Option(metavar="PRODUCT", help='NVML product name of its GPUs, for example "NVIDIA H100 80GB HBM3".')
    ],
    gap: Annotated[
        str, typer.Option(metavar="DURATION", help="After each lease, for cleaning and proof of empty.")
    ] = "30s",
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="Before a lease's end, when it becomes ending.")
    ] = "30s",
    empty_memory_mib: Annotated[
        int, typer.Option(metavar="MIB", help="A GPU with no process and at most this in use is empty.")
    ] = 1024,
) -> None:
    """Add a pool.

    GPUs of its product join it at once.
    """
    from dure import wire
    from dure.render import fleet

    body = wire.PoolCreate(
        name=name,
        product=product,
        gap_s=seconds("--gap", gap),
        grace_s=seconds("--grace", grace),
        empty_memory_bytes=empty_memory_mib << 20,
    )
    with terminal.client() as client:
        added = client.add_pool(body)
    terminal.show(added, lambda view: fleet.pool(added, view))


@command(app, "list")
def every(terminal: Terminal) -> None:
    """List the pools and what is free in them now."""
    from dure import wire
    from dure.render import fleet

    with terminal.client() as client:
        terminal.show_all(client.pools(), wire.Page[wire.Pool], fleet.pools)


@command(app, "show")
def show(terminal: Terminal, name: Name) -> None:
    """Show a pool."""
    from dure.render import fleet

    limits.name("POOL", name, limits.POOL)
    with terminal.client() as client:
        found = client.pool(name)
    terminal.show(found, lambda view: fleet.pool(found, view))


def seconds(option: str, text: str) -> int:
    """A duration on the command line. Raises BadUsage that names the option."""
    from dure import times

    try:
        return times.parse_duration(text)
    except times.TimeError as error:
        raise BadUsage(option, str(error)) from None
