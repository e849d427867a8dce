"""dure lease extend, shrink, resize and renew: another end or size for what was promised."""

from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import lease_said
from dure.cli.command import command
from dure.cli.lease_said import LeaseSaid
from dure.cli.policy_said import seconds
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure import wire

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would do; change nothing.")]
By = Annotated[str | None, typer.Option(metavar="DURATION", help="By how much: 30m, 2h, 1d.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help='Its new end, for example "tomorrow 18:00" or +3h.')]
Nodes = Annotated[int | None, typer.Option(metavar="N", min=1, help="To so many nodes, for a gang.")]
Gpus = Annotated[int | None, typer.Option(metavar="N", min=1, help="To so many GPUs in total.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to `dure lease`."""
    command(app, "extend", changes=True)(extend)
    command(app, "shrink", changes=True)(shrink)
    command(app, "resize", changes=True)(resize)
    command(app, "renew", changes=True)(renew)


def extend(
    terminal: Terminal,
    lease: LeaseSaid,
    *,
    by: By = None,
    length: Annotated[str | None, typer.Option("--for", metavar="DURATION", help="Said by --by.", hidden=True)] = None,
    until: Until = None,
    longest: Annotated[bool, typer.Option("--longest", help="As long as possible.")] = False,
    partly: Annotated[bool, typer.Option("--partly", help="As far as possible where all of it is not.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Extend a lease.

    It goes on on its own GPUs; nobody else starts later for it.
    """
    from dure import wire

    if length is not None:
        raise BadUsage("--for", f"by how much it is extended is said by --by: --by {length}")
    lease_said.checked(lease)
    _one(by=by, until=until, longest=longest)
    body = wire.Extend(
        by_s=None if by is None else seconds("--by", by),
        until=terminal.instant("--until", until),
        longest=longest,
        partly=partly,
    )
    with terminal.client() as client:
        lease_id = lease_said.id_of(client, lease)
        found = client.preview_extend(lease_id, body) if dry_run else client.extend(lease_id, body)
    _show(terminal, found, dry_run=dry_run)


def shrink(
    terminal: Terminal,
    lease: LeaseSaid,
    *,
    by: By = None,
    until: Until = None,
    nodes: Nodes = None,
    gpus: Gpus = None,
    dry_run: DryRun = False,
) -> None:
    """Give back a part of a lease.

    An earlier end, or fewer nodes or GPUs, which a running one loses at once. What is given back is refunded.
    """
    from dure import wire

    lease_said.checked(lease)
    _one(by=by, until=until, nodes=nodes, gpus=gpus)
    body = wire.Shrink(
        by_s=None if by is None else seconds("--by", by),
        until=terminal.instant("--until", until),
        nodes=nodes,
        gpus=gpus,
    )
    with terminal.client() as client:
        lease_id = lease_said.id_of(client, lease)
        found = client.preview_shrink(lease_id, body) if dry_run else client.shrink(lease_id, body)
    _show(terminal, found, dry_run=dry_run)


def resize(
    terminal: Terminal, lease: LeaseSaid, *, nodes: Nodes = None, gpus: Gpus = None, dry_run: DryRun = False
) -> None:
    """Make a lease larger or smaller.

    An inference lease grows where others' promises leave room, up to its max, or the quota. A lease that runs gets or loses GPUs at once.
    """
    from dure import wire

    lease_said.checked(lease)
    _one(nodes=nodes, gpus=gpus)
    body = wire.Resize(nodes=nodes, gpus=gpus)
    with terminal.client() as client:
        lease_id = lease_said.id_of(client, lease)
        found = client.preview_resize(lease_id, body) if dry_run else client.resize(lease_id, body)
    _show(terminal, found, dry_run=dry_run)


def renew(
    terminal: Terminal,
    lease: LeaseSaid,
    *,
    off: Annotated[bool, typer.Option("--off", help="Do not renew it any more.")] = False,
) -> None:
    """Have an inference lease renew itself.

    By the length that it was asked for, before extending closes, while quota and calendar allow.
    """
    from dure import wire
    from dure.render import leases

    with terminal.client() as client:
        found = client.set_renewal(lease_said.id_of(client, lease), wire.Renewal(renew=not off))
    terminal.show(found, lambda view: leases.lease(found, view))


def _one(**options: object) -> None:
    given = [name for name, value in options.items() if value not in (None, False)]
    if len(given) != 1:
        names = ", ".join(f"--{name}" for name in options)
        example = "--by 2h" if "by" in options else "--gpus 4"
        raise BadUsage(f"--{next(iter(options))}", f"give one of {names}, for example {example}")


def _show(terminal: Terminal, found: "wire.Amended", *, dry_run: bool) -> None:
    from dure.render import leases

    terminal.show(found, lambda view: leases.amended(found, view, dry_run=dry_run))
