"""dure node: the machines and their agents."""

from itertools import islice
from typing import Annotated

import typer

from dure.cli import adopt, limits
from dure.cli.command import command
from dure.cli.policy_said import seconds
from dure.cli.secret_file import Taken, prepared
from dure.cli.terminal import BadUsage, Terminal
from dure.cli.token import show_issued

app = typer.Typer(help="Nodes: machines with GPUs, each with an agent.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NODE", help="Its name, for example gpu-01.")]


@command(app, "enroll", changes=True)
def enroll(
    terminal: Terminal,
    name: Name,
    *,
    renew: Annotated[
        bool, typer.Option("--renew", help="It is enrolled already: revoke its tokens and make a new one.")
    ] = False,
    token_file: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Write its token there, mode 600, instead of showing it; with --renew the file is replaced.",
        ),
    ] = None,
) -> None:
    """Enrol a node and make its token.

    Its agent reports with that token.
    """
    from dure import wire

    body = wire.NodeEnroll(name=name)
    if token_file is None:
        with terminal.client() as client:
            show_issued(terminal, client.enroll_node(body, renew=renew), None)
        return
    try:
        with terminal.client() as client, prepared(token_file, replace=renew, own=terminal.token_path) as file:
            issued = client.enroll_node(body, renew=renew)
            file.keep(issued.secret)
    except Taken as error:
        if not _is_enrolled(terminal, name):
            raise
        said = f"{error.detail}; {name} is already enrolled: --renew makes it another token and replaces the file"
        raise Taken(error.option, said) from None
    show_issued(terminal, issued, str(file.path))


@command(app, "join-token", changes=True)
def join_token(
    terminal: Terminal,
    name: Name,
    *,
    ttl: Annotated[str, typer.Option(metavar="DURATION", help="For how long it can be used: 10m, 1h, 30d.")] = "1h",
    token_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="Write it there, mode 600, instead of showing it.")
    ] = None,
) -> None:
    """Let a node's agent join, with a token used once.

    The agent makes a credential of its own with it and renews that itself. A node that is not known is enrolled.
    """
    from dure import wire

    limits.name("NODE", name, limits.NODE)
    lasts_s = seconds("--ttl", ttl)
    if not 60 <= lasts_s <= wire.LONGEST_JOIN_S:
        raise BadUsage("--ttl", f"{ttl} is none: a join token lasts 1 minute to 30 days, for example 1h")
    body = wire.JoinTokenIssue(lasts_s=lasts_s)
    if token_file is None:
        with terminal.client() as client:
            show_issued(terminal, client.make_join_token(name, body), None)
        return
    with terminal.client() as client, prepared(token_file, replace=True, own=terminal.token_path) as file:
        issued = client.make_join_token(name, body)
        file.keep(issued.secret)
    show_issued(terminal, issued, str(file.path))


def _is_enrolled(terminal: Terminal, name: str) -> bool:
    from dure.errors import DureError

    try:
        with terminal.client() as client:
            client.node(name)
    except DureError:
        return False
    return True


@command(app, "drain", changes=True)
def drain(
    terminal: Terminal,
    name: Name,
    *,
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long: 30m, 2h, 1d.")],
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help='From when on, for example "tomorrow 03:00"; else from now on.')
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="WORDS", help="Why; everybody it touches sees it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say whom it would touch; change nothing.")] = False,
) -> None:
    """Take a node out of service for a while.

    What is scheduled on it then goes elsewhere at once; what runs goes on to its end. Said again within a
    minute, or for a time in which the node is out of service for that reason anyway, it changes nothing.
    """
    from dure import wire
    from dure.render import maintenance

    limits.name("NODE", name, limits.NODE)
    begin = terminal.start("--at", at, "a drain from now on")
    if begin is not None and begin < terminal.now:
        raise BadUsage("--at", f"{at} is past; leave it out to drain from now on")
    body = wire.DrainNode(start=begin, duration_s=seconds("--for", duration), reason=reason)
    with terminal.client() as client:
        found = client.preview_drain(name, body) if dry_run else client.drain(name, body)
    terminal.show(found, lambda view: maintenance.drained(found, view, dry_run=dry_run))


@command(app, "resume", changes=True)
def resume(
    terminal: Terminal,
    name: Name,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would change; change nothing.")] = False,
) -> None:
    """Give a drained node back now.

    Every drain of it ends, and one that has not begun never does; what waits is planned again.
    """
    from dure.render import maintenance

    limits.name("NODE", name, limits.NODE)
    with terminal.client() as client:
        found = client.preview_resume(name) if dry_run else client.resume(name)
    terminal.show(found, lambda view: maintenance.drained(found, view, dry_run=dry_run))


@command(app, "label", changes=True)
def label(
    terminal: Terminal,
    name: Name,
    *,
    rack: Annotated[str | None, typer.Option(metavar="RACK", help='The rack it is in; "" takes it away.')] = None,
    island: Annotated[
        str | None, typer.Option(metavar="ISLAND", help='Its NVLink island within the rack; "" takes it away.')
    ] = None,
) -> None:
    """Say where a node stands.

    Gangs for training are kept on one island or in one rack; inference is spread over them. What is not named stays.
    """
    from dure import wire
    from dure.render import fleet

    limits.name("NODE", name, limits.NODE)
    body = wire.NodeLabels(rack=rack, island=island)
    with terminal.client() as client:
        found = client.label_node(name, body)
    terminal.show(found, lambda view: fleet.node(found, view))


@command(app, "list")
def every(terminal: Terminal) -> None:
    """List the nodes."""
    from dure import wire
    from dure.render import fleet

    with terminal.client() as client:
        terminal.show_all(client.nodes(), wire.Page[wire.Node], fleet.nodes)


@command(app, "show")
def show(terminal: Terminal, name: Name) -> None:
    """Show a node and each of its GPUs."""
    from dure.render import fleet

    limits.name("NODE", name, limits.NODE)
    with terminal.client() as client:
        found = client.node(name)
    terminal.show(found, lambda view: fleet.node(found, view))


@command(app, "events")
def events(
    terminal: Terminal,
    name: Name,
    *,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many at most.")] = 50,
) -> None:
    """List what happened on a node, the newest first.

    XIDs, changes of health and devices, violations and proofs of empty, as its agent told them. They are kept for two years.
    """
    from dure import wire
    from dure.render import node_events

    limits.name("NODE", name, limits.NODE)
    with terminal.client() as client:
        found = client.node_events(name, page_size=min(limit, 200))
        terminal.show_all(islice(found, limit), wire.Page[wire.KeptEvent], node_events.events)


command(app, "adopt")(adopt.adopt)
