"""Whether a cluster is fit to enforce leases: what kubectl answered becomes findings, each with what to do. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence

from pydantic import BaseModel

from dure import wire
from dure.kube import (
    API_ACCOUNT,
    COMPANY_LABEL,
    MANAGED_BY,
    MANAGER,
    POOL_LABEL,
    RECONCILER_ACCOUNT,
    namespace,
)
from dure.kube_objects import Json, at, each, has, is_tainted, labels, name
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
    served = {str(one["name"]) for one in each(group or {}, "resources")}
    kinds = ("mutatingadmissionpolicies", "validatingadmissionpolicies")
    off = [kind for kind in kinds if kind not in served]
    if not off:
        return Finding(check="policy APIs", ok=True, said="admission policies of both kinds are served")
    said = f"admissionregistration.k8s.io/v1 does not serve {' and '.join(off)}: take it out of the API server's --runtime-config"
    return Finding(check="policy APIs", ok=False, said=said)


def policies(mutating: Iterable[Json], validating: Iterable[Json], bindings: Iterable[Json]) -> list[Finding]:
    """One for each that is missing or has no binding that denies."""
    there = {name(one) for one in (*mutating, *validating)}
    bound = {str(one["spec"]["policyName"]) for one in bindings if _heeds(one["spec"])}
    found = [
        Finding(check="policies", ok=False, said=f"policy {one} is {what}: {CHART}")
        for one in (*MUTATING, *VALIDATING)
        for what in (["missing"] if one not in there else ["bound to nothing"] if one not in bound else [])
    ]
    count = len(MUTATING) + len(VALIDATING)
    return found or [Finding(check="policies", ok=True, said=f"all {count} policies of the chart are there and bound")]


def _heeds(spec: Json) -> bool:
    """A mutating one has no actions; a validating one may only warn, and anything else narrows it."""
    narrowed = at(spec, "matchResources") or at(spec, "paramRef")
    return not narrowed and "Deny" in (at(spec, "validationActions") or ["Deny"])


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
    mine = [one for one in nodes if labels(one).get(POOL_LABEL) == pool.name]
    if not mine:
        said = f"no node is of pool {pool.name}: dure node adopt NODE {pool.name}"
        return [Finding(check="pools", ok=False, said=said)]
    without = [one for one in mine if not has(one, pool.resource)]
    bare = [one for one in mine if not is_tainted(one, taint_key)]
    found: list[Finding] = []
    if len(without) == len(mine):
        said = f"no node of pool {pool.name} has {pool.resource}: does its device plugin run, or is it dure pool enforce {pool.name} --resource?"
        found.append(Finding(check="pools", ok=False, said=said))
    elif without:
        said = f"{_names(without)} of pool {pool.name} has no {pool.resource}: does its device plugin run?"
        found.append(Finding(check="pools", ok=False, said=said))
    if bare:
        said = f"{_names(bare)} of pool {pool.name} has no taint {taint_key}, so anybody's pods come to it: dure node adopt"
        found.append(Finding(check="pools", ok=False, said=said))
    count = f"{len(mine)} node" + ("" if len(mine) == 1 else "s")
    return found or [Finding(check="pools", ok=True, said=f"pool {pool.name} has {count} with {pool.resource}")]


def _names(nodes: Iterable[Json]) -> str:
    return ", ".join(sorted(name(one) for one in nodes))
