"""dure doctor's look at a cluster, by the operator's own kubectl."""

from typing import TYPE_CHECKING

from dure.cli import doctor_pools, operators
from dure.cli.doctor_looks import listed, looked
from dure.cli.terminal import Terminal
from dure.kube import RECONCILER_ACCOUNT

if TYPE_CHECKING:
    from dure.cli.doctor import Wanted
    from dure.cli.doctor_service import Looked
    from dure.doctoring import Finding
    from dure.kubectl import Json, Kubectl


def findings(terminal: Terminal, wanted: "Wanted", service: "Looked") -> "list[Finding]":
    """Where no cluster was reached, that; it leaves everything fit only where no pool names one and nobody asked for one."""
    from dure import reached
    from dure.kubectl import Failed, Missing

    needed = service.enforces is not False or wanted.asks_for_one
    try:
        with operators.kubectl(terminal, wanted.kubeconfig, wanted.context) as kubectl:
            return [
                *_of_the_cluster(kubectl, wanted.namespace),
                *doctor_pools.findings(terminal, kubectl, wanted.cluster, wanted.taint_key, service.silent),
            ]
    except (Failed, Missing) as error:
        why = "" if needed else "; no pool names one, so nothing is missed"
        said = f"no cluster was looked at: {' '.join(str(error).split())}{why}"
        return [reached.unread("cluster", said, essential=needed)]


def _of_the_cluster(kubectl: "Kubectl", system: str) -> "list[Finding]":
    from dure import doctoring

    # Without an answer to this nothing else has one: then no cluster was reached.
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
