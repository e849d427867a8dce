"""dure node: the machines and their agents."""

from typing import Annotated

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.secret_file import Taken, prepared
from dure.cli.terminal import Terminal
from dure.cli.token import show_issued

app = typer.Typer(help="Nodes: machines with GPUs, each with an agent.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NODE", help="Its name, for example gpu-01.")]


@command(app, "enroll")
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


def _is_enrolled(terminal: Terminal, name: str) -> bool:
    from dure.errors import DureError

    try:
        with terminal.client() as client:
            client.node(name)
    except DureError:
        return False
    return True


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
