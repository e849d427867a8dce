"""dure node adopt: a node of a cluster comes under Dure, with the operator's own rights."""

from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import limits, operators
from dure.cli.operators import Context, Kubeconfig
from dure.cli.terminal import BadUsage, Terminal
from dure.kube import TAINT_KEY

if TYPE_CHECKING:
    from dure.adopting import Adoption
    from dure.kubectl import Kubectl
    from dure.render.adoptions import Adopted


def adopt(
    terminal: Terminal,
    name: Annotated[str, typer.Argument(metavar="NODE", help="Its name in the cluster and here, for example gpu-01.")],
    pool: Annotated[str, typer.Argument(metavar="POOL", help="The pool that its GPUs are of.")],
    *,
    taint_key: Annotated[
        str, typer.Option(metavar="KEY", help="Of the taint, as the chart's gpu.taintKey has it.")
    ] = TAINT_KEY,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do; change nothing.")] = False,
) -> None:
    """Bring a node of a cluster under Dure.

    Labels and taints it by your own kubectl, so that only pods of leases come to it. Says first which DaemonSets would not
    come back to it, and whose pods are on it. Done again it changes nothing.
    """
    from dure.render import adoptions

    limits.name("NODE", name, limits.NODE)
    limits.name("POOL", pool, limits.POOL)
    with operators.kubectl(terminal, kubeconfig, context) as kubectl:
        with terminal.client() as client:
            resource = client.pool(pool).resource
        found = _adoption(kubectl, name, pool, resource, taint_key)
        made = adoptions.Adopted.of(name, pool, found, done=not dry_run)
        if not dry_run:
            _ask(terminal, made, yes=yes)
            _do(kubectl, name, found)
    terminal.show(made, lambda _: adoptions.adopted(made))
    _tell_enrolment(terminal, name)


def _adoption(kubectl: "Kubectl", name: str, pool: str, resource: str, taint_key: str) -> "Adoption":
    """What there is to do. Raises Failed, and BadUsage for a node that cannot be adopted."""
    from dure import adopting

    try:
        return adopting.adoption(
            kubectl.json("get", "node", name, "--output=json"),
            pool,
            resource,
            taint_key,
            kubectl.objects("get", "daemonsets", "--all-namespaces", "--output=json"),
            kubectl.objects(
                "get", "pods", "--all-namespaces", f"--field-selector=spec.nodeName={name}", "--output=json"
            ),
        )
    except adopting.NotAdopted as error:
        raise BadUsage("NODE", str(error)) from None


def _ask(terminal: Terminal, found: "Adopted", *, yes: bool) -> None:
    from dure.render import adoptions

    if yes or not found.changes:
        return
    if terminal.flags.json:
        raise BadUsage("--yes", "with --json nobody is asked: say --yes, or --dry-run to see what it would do")
    for line in adoptions.warnings(found):
        terminal.note(line)
    if not typer.confirm(f"label and taint node {found.node} for pool {found.pool}?", err=True):
        raise BadUsage("--yes", "nothing was changed")


def _do(kubectl: "Kubectl", name: str, found: "Adoption") -> None:
    """The taint first: between the two nobody is let onto a node that is already known to be managed."""
    if found.taint is not None:
        kubectl.text("taint", "node", name, found.taint)
    if found.label is not None:
        kubectl.text("label", "node", name, found.label)


def _tell_enrolment(terminal: Terminal, name: str) -> None:
    from dure.errors import DureError, UnknownNode

    try:
        with terminal.client() as client:
            client.node(name)
    except UnknownNode:
        terminal.note(f"node {name} is not enrolled here yet, so its agent cannot report: dure node enroll {name}")
    except DureError:
        return
