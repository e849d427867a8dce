"""dure doctor: whether Dure and its cluster are well, as the API says and as the operator's own kubectl sees."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import exits, limits
from dure.cli.command import command
from dure.cli.operators import Context, Kubeconfig
from dure.cli.terminal import Terminal
from dure.kube import SYSTEM_NAMESPACE, TAINT_KEY

if TYPE_CHECKING:
    from dure.render.doctoring import Doctor


class Only(StrEnum):
    """What may be looked at alone."""

    API = "api"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which cluster is to be looked at, and as what."""

    kubeconfig: str | None
    context: str | None
    namespace: str = SYSTEM_NAMESPACE
    cluster: str | None = None
    taint_key: str = TAINT_KEY

    @property
    def asks_for_one(self) -> bool:
        return any(one is not None for one in (self.kubeconfig, self.context, self.cluster))


def register(app: typer.Typer) -> None:
    command(app, "doctor")(doctor)


def doctor(
    terminal: Terminal,
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Annotated[
        str, typer.Option(metavar="NAMESPACE", help="Where the chart is installed.")
    ] = SYSTEM_NAMESPACE,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="CLUSTER", help="What Dure calls it; else it is found by its address, where there are several."
        ),
    ] = None,
    taint_key: Annotated[
        str, typer.Option(metavar="KEY", help="Of managed nodes, as the chart's gpu.taintKey has it.")
    ] = TAINT_KEY,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Of a scheduler's metrics, to be looked at too, where you reach them."),
    ] = None,
    only: Annotated[
        Only | None,
        typer.Option(metavar="|".join(Only), help="Look at how the API says that Dure is, or at the cluster, alone."),
    ] = None,
) -> None:
    """Say whether Dure and its cluster are well, or what to do.

    Asks the API about database, schema, clocks, schedulers, ledger, agents, pools, GPUs, webhooks, tokens and certificates, which
    needs an admin's or operator's token. Looks at the cluster by your own kubectl: its version, the chart's policies, each
    permission of Dure's two accounts, namespaces in the way, and pools without nodes. Changes nothing. What cannot be looked at is
    said with why, and never called well. Waits for the API for 10 s in all. Exits 9 where something is wrong, or it cannot be said.
    """
    from dure.render import doctoring as shown

    limits.maybe("--cluster", cluster, limits.CLUSTER)
    wanted = Wanted(
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        cluster=cluster,
        taint_key=taint_key,
    )
    found = examined(terminal, wanted, scheduler, only)
    terminal.show(found, lambda _: shown.doctor(found))
    if not found.fit:
        raise typer.Exit(exits.KUBECTL)


def examined(terminal: Terminal, wanted: Wanted, scheduler: str | None, only: Only | None = None) -> "Doctor":
    """All that was looked at."""
    from dure import doctoring
    from dure.cli import doctor_cluster, doctor_service
    from dure.render.doctoring import Doctor

    aside = doctor_service.Looked(findings=[])
    service = aside if only is Only.CLUSTER else doctor_service.look(terminal, scheduler)
    there = [] if only is Only.API else doctor_cluster.findings(terminal, wanted, service)
    # What the API says of pools is also seen beside the cluster.
    findings = list(dict.fromkeys([*service.findings, *there]))
    return Doctor(fit=doctoring.is_fit(findings), enforces=service.enforces, findings=findings)
