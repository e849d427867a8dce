"""dure lease: what was granted, and what became of it."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import amend, lease_said, limits, watch
from dure.cli.command import command
from dure.cli.lease_said import LeaseSaid
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure import wire

app = typer.Typer(help="Leases: list, follow, and give them back.", no_args_is_help=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would do; change nothing.")]

MOST = 10_000
"""Leases that one list shows."""

COUNTED = 200
"""As many as the API gives in one page, which is as far as anything is counted that is not shown."""


@command(app, "list")
def every(
    terminal: Terminal,
    *,
    company: Annotated[str | None, typer.Option(metavar="COMPANY", help="For admins: only this company's.")] = None,
    pool: Annotated[str | None, typer.Option(metavar="POOL", help="Only in this pool.")] = None,
    state: Annotated[
        list[str] | None, typer.Option(metavar="STATE", help="Only in this state; may be given more than once.")
    ] = None,
    refused: Annotated[bool, typer.Option("--all", help="The refused asks too.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=MOST, help="How many at most.")] = 50,
) -> None:
    """List leases, the newest first.

    Refused asks are left out unless --all or --state refused wants them.
    """
    from dure import wire
    from dure.render import leases

    company = limits.maybe("--company", company, limits.COMPANY)
    pool = limits.maybe("--pool", pool, limits.POOL)
    states = [_state(text) for text in state or ()]
    hidden = not states and not refused
    if hidden:
        states = [one for one in wire.LeaseState if one is not wire.LeaseState.REFUSED]
    with terminal.client() as client:
        found = client.leases(company=company, pool=pool, states=states, page_size=min(limit, COUNTED))
        terminal.show_all(islice(found, limit), wire.Page[wire.Lease], leases.leases)
        if hidden and not terminal.flags.json:
            others = client.leases(company=company, pool=pool, states=[wire.LeaseState.REFUSED], page_size=COUNTED)
            _tell_hidden(sum(1 for _ in islice(others, COUNTED)))


def _tell_hidden(count: int) -> None:
    if count == 1:
        typer.echo("1 refused ask is not shown: --all")
    elif count:
        typer.echo(f"{count}{' or more' if count == COUNTED else ''} refused asks are not shown: --all")


@command(app, "show")
def show(terminal: Terminal, lease: LeaseSaid) -> None:
    """Show a lease, its promise and its GPUs."""
    from dure.render import leases

    with terminal.client() as client:
        found = client.lease(lease_said.id_of(client, lease))
    terminal.show(found, lambda view: leases.lease(found, view))


@command(app, "release", changes=True)
def release(terminal: Terminal, lease: LeaseSaid, *, dry_run: DryRun = False) -> None:
    """End an active lease now.

    The rest of its box is refunded.
    """
    from dure.render import leases

    with terminal.client() as client:
        lease_id = lease_said.id_of(client, lease)
        if dry_run:
            preview = client.preview_release(lease_id)
            terminal.show(preview, lambda view: leases.preview(preview, view))
        else:
            released = client.release(lease_id)
            terminal.show(released, lambda view: leases.lease(released, view))


@command(app, "keep", changes=True)
def keep(terminal: Terminal, lease: LeaseSaid) -> None:
    """Keep a lease that would be given back.

    Nothing, or hardly anything, runs on it. It is waited for once more; a few times, by the pool's policy. Where nobody was
    warned there is nothing to keep, and that is none of these times.
    """
    from dure.render import leases

    with terminal.client() as client:
        kept = client.keep(lease_said.id_of(client, lease))
    terminal.show(kept, lambda view: leases.lease(kept, view))


@command(app, "cancel", changes=True)
def cancel(terminal: Terminal, lease: LeaseSaid, *, dry_run: DryRun = False) -> None:
    """Give up a lease that has not started.

    It is queued or scheduled; its place is free for others at once.
    """
    from dure.render import leases

    with terminal.client() as client:
        lease_id = lease_said.id_of(client, lease)
        if dry_run:
            preview = client.preview_cancel(lease_id)
            terminal.show(preview, lambda view: leases.preview(preview, view))
        else:
            cancelled = client.cancel(lease_id)
            terminal.show(cancelled, lambda view: leases.lease(cancelled, view))


@command(app, "explain")
def explain(terminal: Terminal, lease: LeaseSaid) -> None:
    """Say why a lease is as it is.

    Everything that happened to it, each with its reason and the decision that made it.
    """
    from dure.render import explanations

    with terminal.client() as client:
        found = client.explain(lease_said.id_of(client, lease))
    terminal.show(found, lambda view: explanations.explanation(found, view))


@command(app, "events")
def events(terminal: Terminal, lease: LeaseSaid) -> None:
    """List what happened to a lease, in order."""
    from dure import wire
    from dure.render import leases

    with terminal.client() as client:
        terminal.show_all(
            client.lease_events(lease_said.id_of(client, lease)), wire.Page[wire.LeaseEvent], leases.events
        )


command(app, "watch")(watch.watch)
amend.register(app)


def _state(text: str) -> "wire.LeaseState":
    from dure import wire

    try:
        return wire.LeaseState(text)
    except ValueError:
        known = ", ".join(wire.LeaseState)
        raise BadUsage("--state", f"{text!r} is no state of a lease; they are {known}") from None
