"""dure company: the startups that share the pools."""

from enum import StrEnum
from typing import Annotated

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.terminal import BadUsage, Terminal


class PodSecurity(StrEnum):
    """Levels that a namespace can enforce."""

    BASELINE = "baseline"
    RESTRICTED = "restricted"


app = typer.Typer(help="Companies: the startups that share the pools.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="COMPANY", help="Its short name: a-z, 0-9 and -, for example acme.")]


@command(app, "add", changes=True)
def add(
    terminal: Terminal,
    name: Name,
    title: Annotated[str | None, typer.Option(metavar="TITLE", help="Its full name, for people.")] = None,
    pod_security: Annotated[
        PodSecurity, typer.Option(metavar="|".join(PodSecurity), help="What its Kubernetes namespaces enforce.")
    ] = PodSecurity.BASELINE,
) -> None:
    """Add a company."""
    from dure import wire
    from dure.render import companies

    with terminal.client() as client:
        added = client.add_company(wire.CompanyCreate(name=name, title=title, pod_security=pod_security.value))
        held = [] if terminal.flags.json else list(client.quotas(name))
    terminal.show(added, lambda view: companies.company(added, held, view))


@command(app, "set", changes=True)
def change(
    terminal: Terminal,
    name: Name,
    title: Annotated[str | None, typer.Option(metavar="TITLE", help="Its full name, for people.")] = None,
    pod_security: Annotated[
        PodSecurity | None, typer.Option(metavar="|".join(PodSecurity), help="What its Kubernetes namespaces enforce.")
    ] = None,
) -> None:
    """Change a company.

    What is not named stays as it is. Another Pod Security level holds for pods that are made from then on.
    """
    from dure import wire
    from dure.render import companies

    limits.name("COMPANY", name, limits.COMPANY)
    said = {"title": title, "pod_security": None if pod_security is None else pod_security.value}
    said = {field: value for field, value in said.items() if value is not None}
    if not said:
        raise BadUsage("--pod-security", "say what to change: --pod-security or --title")
    with terminal.client() as client:
        changed = client.change_company(name, wire.CompanyChange.model_validate(said))
    terminal.show(changed, lambda view: companies.closed(changed, view))


@command(app, "list")
def every(terminal: Terminal) -> None:
    """List the companies."""
    from dure import wire
    from dure.render import companies

    with terminal.client() as client:
        terminal.show_all(client.companies(), wire.Page[wire.Company], companies.companies)


@command(app, "show")
def show(terminal: Terminal, name: Name) -> None:
    """Show a company and its quotas."""
    from dure.render import companies

    limits.name("COMPANY", name, limits.COMPANY)
    with terminal.client() as client:
        found = client.company(name)
        held = [] if terminal.flags.json else list(client.quotas(name))
    terminal.show(found, lambda view: companies.company(found, held, view))


@command(app, "close", changes=True)
def close(terminal: Terminal, name: Name) -> None:
    """Close a company: it asks for nothing any more.

    With --why, and not while it has leases that are not over. Its namespaces, and the volumes in them, are removed a grace
    later.
    """
    from dure.render import companies

    limits.name("COMPANY", name, limits.COMPANY)
    terminal.needs_why("left the programme")
    with terminal.client() as client:
        closed = client.close_company(name)
    terminal.show(closed, lambda view: companies.closed(closed, view))


@command(app, "reopen", changes=True)
def reopen(terminal: Terminal, name: Name) -> None:
    """Open a closed company again.

    Within the grace its namespaces are as they were; later they are made anew.
    """
    from dure.render import companies

    limits.name("COMPANY", name, limits.COMPANY)
    with terminal.client() as client:
        was_open = client.company(name).closed_at is None
        opened = client.reopen_company(name)
    if was_open:
        terminal.note(f"company {name} was open already; nothing was changed")
    terminal.show(opened, lambda view: companies.closed(opened, view))
