"""Whether a cluster is fit to enforce leases: what kubectl answered becomes findings, each with what to do. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence

from pydantic import BaseModel

from dure import kube_nodes, wire
from dure.kube import (
    API_ACCOUNT,
    COMPANY_LABEL,
    MANAGED_BY,
    MANAGER,
    POOL_LABEL,
    RECONCILER_ACCOUNT,
    namespace,
)
from dure.kube_nodes import Adopted
from dure.kube_objects import Json, at, has, is_tainted, labels, name
from dure.kube_policies import drifted, off
from dure.kube_verbs import API, MUTATING, RECONCILER, VALIDATING, Right

OLDEST = (1, 36)
"""From then on the API server mutates by policies without a switch."""

ACCOUNTS = {RECONCILER_ACCOUNT: RECONCILER, API_ACCOUNT: API}

CHART = "helm upgrade --install dure deploy/helm/dure"


class Finding(BaseModel):
    """`ok` is null where it could not be looked at. `said` names what is wrong and what would help."""

    check: str
    ok: bool | None
    said: str


def version(found: Json) -> Finding:
    """Of `kubectl version`."""
    said = str(at(found, "serverVersion", "gitVersion") or "of no known version")
    number = re.match(r"v?(\d+)\.(\d+)", said)
    new = number is not None and tuple(map(int, number.groups())) >= OLDEST
    wanted = "" if new else "; 1.36 or newer is needed: upgrade the cluster"
    return Finding(check="version", ok=new, said=f"the cluster is Kubernetes {said}{wanted}")


def policy_apis(group: Json | None) -> Finding:
    """Of the resources of admissionregistration.k8s.io/v1; None where that is not served."""
    said = off(group)
    return Finding(check="policy APIs", ok=said is None, said=said or "admission policies of both kinds are served")


def policies(found: Mapping[str, Iterable[Json]]) -> list[Finding]:
    """One for each of the chart's policies and bindings that is missing or was changed. `found` are all there are, by kind."""
    wrong = [
        Finding(check="policies", ok=False, said=f"{drift.said}: {CHART}")
        for kind, there in found.items()
        for drift in drifted(kind, there)
    ]
    count = len(MUTATING) + len(VALIDATING)
    said = f"all {count} policies of the chart are there and bound, as it wrote them"
    return wrong or [Finding(check="policies", ok=True, said=said)]


def accounts(there: Iterable[Json], system: str) -> list[Finding]:
    """The chart's ServiceAccounts in its own namespace."""
    names = {name(one) for one in there}
    return [
        Finding(check="accounts", ok=False, said=f"ServiceAccount {account} is not in namespace {system}: {CHART}")
        for account in ACCOUNTS
        if account not in names
    ] or [Finding(check="accounts", ok=True, said=f"{' and '.join(ACCOUNTS)} are in namespace {system}")]


def reviews(system: str) -> list[Json]:
    """What to ask the API server about both accounts, one verb of one resource each."""
    return [_review(account, system, right, verb, of) for account, right, verb, of in _asked()]


def _asked() -> list[tuple[str, Right, str, str | None]]:
    return [
        (account, right, verb, of)
        for account, rights in ACCOUNTS.items()
        for right in rights
        for verb in right.verbs
        for of in right.names or (None,)
    ]


def _review(account: str, system: str, right: Right, verb: str, of: str | None) -> Json:
    resource, _, sub = right.resource.partition("/")
    attributes = {"group": right.group, "resource": resource, "subresource": sub, "verb": verb, "name": of or ""}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{system}:{account}",
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{system}", "system:authenticated"],
            "resourceAttributes": {field: value for field, value in attributes.items() if value},
        },
    }


def permissions(answers: Sequence[Json]) -> list[Finding]:
    """One for each verb that is missing. `answers` are those to `reviews`, in their order."""
    asked = _asked()
    if len(answers) != len(asked):
        said = f"the cluster answered {len(answers)} of {len(asked)} questions about permissions"
        return [Finding(check="permissions", ok=None, said=said)]
    missing = [
        Finding(
            check="permissions",
            ok=False,
            said=f"{account} may not {verb} {_resource(right)}{f' {of}' if of else ''}: {CHART}",
        )
        for (account, right, verb, of), answer in zip(asked, answers, strict=True)
        if not at(answer, "status", "allowed")
    ]
    return missing or [Finding(check="permissions", ok=True, said=f"all {len(asked)} permissions are there")]


def _resource(right: Right) -> str:
    return right.resource + (f".{right.group}" if right.group else "")


def namespaces(there: Iterable[Json], companies: Iterable[str] | None) -> list[Finding]:
    """Those in the way of companies'; of all that have such a name where the companies are not known."""
    found = {name(one): labels(one) for one in there}
    wanted = {namespace(one): one for one in companies} if companies is not None else {}
    prefix = namespace("")
    names = wanted or {one: one.removeprefix(prefix) for one in found if one.startswith(prefix)}
    strange = [
        Finding(
            check="namespaces",
            ok=False,
            said=f"namespace {one} is there and was not made by Dure, so company {company} gets none: "
            f"remove it, or move what is in it; it is never taken over",
        )
        for one, company in sorted(names.items())
        if one in found and not _is_ours(found[one], company)
    ]
    return strange or [Finding(check="namespaces", ok=True, said="no namespace is in a company's way")]


def _is_ours(has_labels: Mapping[str, str], company: str) -> bool:
    return has_labels.get(MANAGED_BY) == MANAGER and has_labels.get(COMPANY_LABEL, company) == company


def pools(found: Iterable[wire.Pool], nodes: Sequence[Json], taint_key: str) -> list[Finding]:
    """Each pool that the cluster enforces: has it nodes, do they have its resource, and does the taint keep others away."""
    return [one for pool in found for one in _pool(pool, nodes, taint_key)] or [
        Finding(check="pools", ok=None, said="no pool names this cluster: dure pool enforce POOL --cluster NAME")
    ]


def unserved(found: Iterable[wire.Pool]) -> list[Finding]:
    """One for each pool whose cluster no scheduler is told of, whichever cluster is looked at: a name may be wrong."""
    return [
        Finding(
            check="pools",
            ok=False,
            said=f"pool {one.name} names cluster {one.cluster}, which no scheduler is told of, so nobody enforces its leases: "
            f"dure pool enforce {one.name} --cluster, or name it in DURE_SCHEDULER_CLUSTERS",
        )
        for one in found
        if one.cluster_state is wire.ClusterState.UNKNOWN
    ]


def _pool(pool: wire.Pool, nodes: Sequence[Json], taint_key: str) -> list[Finding]:
    mine = [
        Adopted(name=name(one), has=has(one, pool.resource), is_tainted=is_tainted(one, taint_key))
        for one in nodes
        if labels(one).get(POOL_LABEL) == pool.name
    ]
    found = [
        Finding(check="pools", ok=False, said=said)
        for said in kube_nodes.wrong(pool.name, pool.resource, mine, taint_key)
    ]
    count = f"{len(mine)} node" + ("" if len(mine) == 1 else "s")
    return found or [Finding(check="pools", ok=True, said=f"pool {pool.name} has {count} with {pool.resource}")]
