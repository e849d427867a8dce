"""dure doctor: whether a cluster is fit to enforce leases, seen with the operator's own rights."""

from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import doctor_pools, exits, limits, operators
from dure.cli.command import command
from dure.cli.doctor_looks import listed, looked
from dure.cli.operators import Context, Kubeconfig
from dure.cli.terminal import Terminal
from dure.kube import RECONCILER_ACCOUNT, SYSTEM_NAMESPACE, TAINT_KEY

if TYPE_CHECKING:
    from dure.doctoring import Finding
    from dure.kubectl import Json, Kubectl


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
) -> None:
    """Say whether a cluster is fit to enforce leases.

    Looks at it by your own kubectl and changes nothing: its version, the chart's policies, each permission of Dure's two
    accounts, namespaces in the way, and pools without nodes. What Dure's API knows is left out where it is not reached; where
    the cluster itself does not let you look, it cannot be said.
    """
    from dure import doctoring
    from dure.render import doctoring as shown

    limits.maybe("--cluster", cluster, limits.CLUSTER)
    with operators.kubectl(terminal, kubeconfig, context) as kubectl:
        findings = [*_of_the_cluster(kubectl, namespace), *doctor_pools.findings(terminal, kubectl, cluster, taint_key)]
    found = shown.Doctor(fit=doctoring.is_fit(findings), findings=findings)
    terminal.show(found, lambda _: shown.doctor(found))
    if not found.fit:
        raise typer.Exit(exits.KUBECTL)


def _of_the_cluster(kubectl: "Kubectl", system: str) -> "list[Finding]":
    from dure import doctoring

    # Without an answer to this nothing else has one: its failure is the command's.
    found = [doctoring.version(kubectl.json("version", "--output=json"))]
    found += looked("policy APIs", lambda: [doctoring.policy_apis(_registration(kubectl))])
    return found + _of_the_chart(kubectl, system)


def _registration(kubectl: "Kubectl") -> "Json | None":
    from dure.kube_policies import REGISTRATION
    from dure.kubectl import Failed

    try:
        return kubectl.json("get", f"--raw={REGISTRATION}")
    except Failed as error:
        if "NotFound" in str(error) or "could not find" in str(error):
            return None
        raise


def _of_the_chart(kubectl: "Kubectl", system: str) -> "list[Finding]":
    """Its policies, accounts and their rights; where nothing of it is there, that alone."""
    from dure import doctoring

    policies = looked("policies", lambda: _policies(kubectl, system))
    accounts = looked("accounts", lambda: _accounts(kubectl, system))
    if accounts[0].check != doctoring.CHART:
        return [*policies, *accounts, *looked("permissions", lambda: _permissions(kubectl, system))]
    return accounts if policies == [doctoring.no_policies(system)] else [*accounts, *policies]


def _accounts(kubectl: "Kubectl", system: str) -> "list[Finding]":
    from dure import doctoring

    there = listed(kubectl, "serviceaccounts", f"--namespace={system}")
    if doctoring.has_accounts(there):
        return doctoring.accounts(there, system)
    return [doctoring.absent(system, _elsewhere(kubectl))]


def _policies(kubectl: "Kubectl", system: str) -> "list[Finding]":
    from dure import doctoring, kube_verbs

    kinds = kube_verbs.POLICY_KINDS
    found = {kind: listed(kubectl, f"{kind}.admissionregistration.k8s.io") for kind in kinds}
    return doctoring.policies(found, system)


def _elsewhere(kubectl: "Kubectl") -> str | None:
    """Another namespace in which the chart's account is, where that can be seen."""
    from dure.kube_objects import at
    from dure.kubectl import Failed

    called = f"--field-selector=metadata.name={RECONCILER_ACCOUNT}"
    try:
        found = listed(kubectl, "serviceaccounts", "--all-namespaces", called)
    except Failed:
        return None
    return next((str(space) for one in found if (space := at(one, "metadata", "namespace"))), None)


def _permissions(kubectl: "Kubectl", system: str) -> "list[Finding]":
    from dure import doctoring

    return doctoring.permissions(kubectl.created(doctoring.reviews(system)), system)
