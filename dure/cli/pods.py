"""dure pods, dure logs and dure clusters: what is seen of what runs."""

from typing import Annotated

import typer

from dure.cli import kube_key, lease_said, limits
from dure.cli.command import command
from dure.cli.lease_said import LeaseSaid
from dure.cli.terminal import BadUsage, Terminal

MOST_STREAMS = 100
"""Pods that are followed at once."""


def register(app: typer.Typer) -> None:
    command(app, "pods")(pods)
    command(app, "logs")(logs)
    command(app, "clusters")(clusters)


def pods(
    terminal: Terminal,
    lease: Annotated[
        str | None,
        typer.Argument(metavar="[LEASE]", help="By its id or name: those that run, ran or wait on it; or --company."),
    ] = None,
    *,
    company: Annotated[
        str | None, typer.Option(metavar="COMPANY", help="The company's, also those that wait for a lease.")
    ] = None,
) -> None:
    """List pods with GPUs, and why one waits."""
    from dure import wire
    from dure.render import kube

    if lease is None and company is None:
        raise BadUsage("LEASE", "say whose: a lease, or --company COMPANY for all that a company has")
    if lease is not None and company is not None:
        raise BadUsage("LEASE", "say a lease or --company COMPANY, and not both")
    limits.maybe("--company", company, limits.COMPANY)
    with terminal.client() as client:
        lease_id = None if lease is None else lease_said.id_of(client, lease)
        terminal.show_all(client.pods(lease_id, company=company), wire.Page[wire.Pod], kube.pods)


def logs(
    terminal: Terminal,
    lease: LeaseSaid,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="What its pods write now, by your own kubectl, until Ctrl-C.")
    ] = False,
) -> None:
    """Show the last lines of a lease's pods that are over.

    Of every container, with exit codes; they are kept for 7 days. For the company itself and for admins.
    """
    from dure import wire
    from dure.render import kube

    if follow:
        _follow(terminal, lease)
    with terminal.client() as client:
        lease_id = lease_said.id_of(client, lease)
        terminal.show_all(client.pod_logs(lease_id), wire.Page[wire.PodLog], kube.logs)


def _follow(terminal: Terminal, lease: str) -> None:
    from dure.kube import PLACEMENT_LABEL

    lease_id = lease_said.of(terminal, lease)
    words = ["logs", "--follow", "--prefix", "--tail=-1", f"--max-log-requests={MOST_STREAMS}"]
    words += ["--all-containers", f"--selector={PLACEMENT_LABEL}={lease_id}"]
    with kube_key.kubectl(terminal, lease_id) as kubectl:
        raise typer.Exit(kubectl.attached(*words))


def clusters(terminal: Terminal) -> None:
    """List the clusters that enforce leases."""
    from dure import wire
    from dure.render import kube

    with terminal.client() as client:
        terminal.show_all(client.clusters(), wire.Page[wire.Cluster], kube.clusters)
