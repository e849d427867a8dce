"""dure doctor: whether a cluster is fit to enforce leases, seen with the operator's own rights."""

import json as jsons
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import exits, limits
from dure.cli.adopt import Context, Kubeconfig, operators
from dure.cli.command import command
from dure.cli.terminal import Terminal
from dure.kube import SYSTEM_NAMESPACE, TAINT_KEY

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
        typer.Option(metavar="CLUSTER", help="What Dure calls it; else pools of every cluster are looked at."),
    ] = None,
    taint_key: Annotated[
        str, typer.Option(metavar="KEY", help="Of managed nodes, as the chart's gpu.taintKey has it.")
    ] = TAINT_KEY,
) -> None:
    """Say whether a cluster is fit to enforce leases.

    Looks at it by your own kubectl and changes nothing: its version, the chart's policies, each permission of Dure's two
    accounts, namespaces in the way, and pools without nodes. What Dure's API knows is left out where it is not reached.
    """
    from dure.render import doctoring

    limits.maybe("--cluster", cluster, limits.CLUSTER)
    kubectl = operators(terminal, kubeconfig, context)
    found = doctoring.Doctor(
        findings=[*_of_the_cluster(kubectl, namespace), *_of_dure(terminal, kubectl, cluster, taint_key)]
    )
    terminal.show(found, lambda _: doctoring.doctor(found))
    if any(one.ok is False for one in found.findings):
        raise typer.Exit(exits.KUBECTL)


def _of_the_cluster(kubectl: "Kubectl", system: str) -> "list[Finding]":
    from dure import doctoring

    # Without an answer to this nothing else has one: its failure is the command's.
    found = [doctoring.version(kubectl.json("version", "--output=json"))]
    found += _looked("policy APIs", lambda: [doctoring.policy_apis(_registration(kubectl))])
    found += _looked("policies", lambda: _policies(kubectl))
    found += _looked(
        "accounts", lambda: doctoring.accounts(_listed(kubectl, "serviceaccounts", f"--namespace={system}"), system)
    )
    return found + _looked("permissions", lambda: _permissions(kubectl, system))


def _looked(check: str, look: "Callable[[], list[Finding]]") -> "list[Finding]":
    """What was found; or that it could not be looked at, and why."""
    from dure.doctoring import Finding
    from dure.kubectl import Failed

    try:
        return look()
    except Failed as error:
        return [Finding(check=check, ok=None, said=f"cannot be looked at: {error}")]


def _registration(kubectl: "Kubectl") -> "Json | None":
    from dure.kube_policies import REGISTRATION
    from dure.kubectl import Failed

    try:
        return kubectl.json("get", f"--raw={REGISTRATION}")
    except Failed as error:
        if "NotFound" in str(error) or "could not find" in str(error):
            return None
        raise


def _policies(kubectl: "Kubectl") -> "list[Finding]":
    from dure import doctoring, kube_verbs

    kinds = kube_verbs.POLICY_KINDS
    return doctoring.policies({kind: _listed(kubectl, f"{kind}.admissionregistration.k8s.io") for kind in kinds})


def _permissions(kubectl: "Kubectl", system: str) -> "list[Finding]":
    from dure import doctoring

    given = "\n---\n".join(jsons.dumps(one) for one in doctoring.reviews(system))
    return doctoring.permissions(kubectl.objects("create", "--filename=-", "--output=json", given=given))


def _of_dure(terminal: Terminal, kubectl: "Kubectl", cluster: str | None, taint_key: str) -> "list[Finding]":
    from dure import doctoring, wire
    from dure.config import ConfigError
    from dure.doctoring import Finding
    from dure.errors import DureError

    companies: list[str] | None = None
    pools: list[wire.Pool] | None = None
    silent: list[Finding] = []
    try:
        with terminal.client() as client:
            companies = [one.name for one in client.companies()]
            pools = list(client.pools())
    except (ConfigError, DureError) as error:
        silent = [Finding(check="pools", ok=None, said=f"Dure's API does not say which there are: {error}")]
    found = _looked("namespaces", lambda: doctoring.namespaces(_listed(kubectl, "namespaces"), companies))
    if pools is None:
        return found + silent
    mine = [one for one in pools if one.cluster and cluster in (None, one.cluster)]
    found += _looked("pools", lambda: doctoring.pools(mine, _listed(kubectl, "nodes"), taint_key))
    return found + doctoring.unserved(pools)


def _listed(kubectl: "Kubectl", kind: str, *more: str) -> "list[Json]":
    return kubectl.objects("get", kind, *more, "--output=json")
