"""Whether a cluster is fit to enforce leases: what kubectl answered becomes findings, each with what to do. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from dure import kube_nodes, wire
from dure.kube import (
    API_ACCOUNT,
    COMPANY_KEY,
    MANAGED_BY,
    MANAGER,
    POOL_LABEL,
    RECONCILER_ACCOUNT,
    is_marked,
    namespace,
)
from dure.kube_nodes import Adopted
from dure.kube_objects import Json, at, has, is_tainted, labels, name
from dure.kube_policies import POLICIES, drifted, off
from dure.kube_verbs import API, MUTATING, RECONCILER, VALIDATING, Right
from dure.wire import Finding

OLDEST = (1, 36)
"""From then on the API server mutates by policies without a switch."""

ACCOUNTS = {RECONCILER_ACCOUNT: RECONCILER, API_ACCOUNT: API}

CHART = "chart"
"""The check of whether it is there at all."""


def is_fit(found: Iterable[Finding]) -> bool | None:
    """Whether all is as it should be; None where it cannot be said."""
    shown = list(found)
    if any(one.ok is False and one.essential for one in shown):
        return False
    return None if any(one.ok is None and one.essential for one in shown) else True


def remedy(system: str) -> str:
    """What installs the chart, and puts right what was changed of it."""
    return f"helm upgrade --install dure deploy/helm/dure --namespace {system} --create-namespace"


def absent(system: str, elsewhere: str | None) -> Finding:
    """Nothing of the chart is in its namespace; it may be in another."""
    said = f"the chart is not in namespace {system}"
    if elsewhere is None:
        return Finding(check=CHART, ok=False, said=f"{said}: {remedy(system)}")
    return Finding(check=CHART, ok=False, said=f"{said} but in {elsewhere}: dure doctor --namespace {elsewhere}")


def no_policies(system: str) -> Finding:
    """Not one of the chart's is there."""
    return Finding(check="policies", ok=False, said=f"none of the chart's policies is in the cluster: {remedy(system)}")


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


def policies(found: Mapping[str, Sequence[Json]], system: str) -> list[Finding]:
    """One for each of the chart's policies and bindings that is missing or was changed. `found` are all there are, by kind."""
    if not any(name(one) in POLICIES[kind] for kind, there in found.items() for one in there):
        return [no_policies(system)]
    wrong = [
        Finding(check="policies", ok=False, said=f"{drift.said}: {remedy(system)}")
        for kind, there in found.items()
        for drift in drifted(kind, there)
    ]
    count = len(MUTATING) + len(VALIDATING)
    said = f"all {count} policies of the chart are there and bound, as it wrote them"
    return wrong or [Finding(check="policies", ok=True, said=said)]


def has_accounts(there: Iterable[Json]) -> bool:
    """Whether any of the chart's is among the ServiceAccounts of a namespace."""
    return any(name(one) in ACCOUNTS for one in there)


def accounts(there: Iterable[Json], system: str) -> list[Finding]:
    """The chart's ServiceAccounts in its own namespace."""
    names = {name(one) for one in there}
    return [
        Finding(
            check="accounts", ok=False, said=f"ServiceAccount {account} is not in namespace {system}: {remedy(system)}"
        )
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


def permissions(answers: Sequence[Json], system: str) -> list[Finding]:
    """One for each verb that is missing. `answers` are those to `reviews`, in their order."""
    asked = _asked()
    if len(answers) != len(asked):
        said = f"the cluster answered {len(answers)} of {len(asked)} questions about permissions"
        return [Finding(check="permissions", ok=None, said=said)]
    missing = [
        Finding(
            check="permissions",
            ok=False,
            said=f"{account} may not {verb} {_resource(right)}{f' {of}' if of else ''}: {remedy(system)}",
        )
        for (account, right, verb, of), answer in zip(asked, answers, strict=True)
        if not at(answer, "status", "allowed")
    ]
    return missing or [Finding(check="permissions", ok=True, said=f"all {len(asked)} permissions are there")]


def _resource(right: Right) -> str:
    return right.resource + (f".{right.group}" if right.group else "")


def namespaces(there: Iterable[Json], keys: Iterable[Json], companies: Iterable[str] | None) -> list[Finding]:
    """Those in the way of companies', or without Dure's labels; of all that have such a name where the companies are not known.
    `keys` are the RoleBindings of companies' keys, by which the scheduler knows its own where labels are gone.
    """
    found = {name(one): labels(one) for one in there}
    keyed = {str(at(one, "metadata", "namespace")) for one in keys if _is_key(one)}
    wanted = {namespace(one): one for one in companies} if companies is not None else {}
    prefix = namespace("")
    names = wanted or {one: one.removeprefix(prefix) for one in found if one.startswith(prefix)}
    strange = [
        Finding(
            check="namespaces", ok=False, said=_unlabelled(one, company) if one in keyed else _strange(one, company)
        )
        for one, company in sorted(names.items())
        if one in found and not is_marked(found[one], company)
    ]
    return strange or [Finding(check="namespaces", ok=True, said="no namespace is in a company's way")]


def _is_key(binding: Json) -> bool:
    """Only Dure binds an account of a company's namespace to the role of companies; it sees none without its own label."""
    is_ours = name(binding) == COMPANY_KEY and labels(binding).get(MANAGED_BY) == MANAGER
    return is_ours and at(binding, "roleRef", "name") == COMPANY_KEY


def _unlabelled(space: str, company: str) -> str:
    return (
        f"namespace {space} is Dure's, as the key of company {company} works in it, and lost its labels, so no policy holds there: "
        f"the scheduler puts them back at once; if they stay away, see whether it runs (dure clusters)"
    )


def _strange(space: str, company: str) -> str:
    return (
        f"namespace {space} is there and was not made by Dure, so company {company} gets none: "
        f"remove it, or move what is in it; it is never taken over"
    )


def pools(
    found: Iterable[wire.Pool], nodes: Sequence[Json], taint_key: str, shown: Mapping[str, Collection[str]]
) -> list[Finding]:
    """Each pool that the cluster enforces: has it nodes, do they have its label and resource, and does the taint keep others
    away. `shown` are nodes by pool, as their agents show their GPUs; none where nobody says.
    """
    return [one for pool in found for one in _pool(pool, nodes, taint_key, shown)] or [
        Finding(
            check="pools",
            ok=None,
            said="no pool names this cluster: dure pool enforce POOL --cluster NAME",
            essential=False,
        )
    ]


def left_out(found: Iterable[wire.Pool], cluster: str | None) -> Finding | None:
    """Where pools name several clusters and nobody knows which of them this one is, no pool is looked at."""
    named = [one for one in found if one.cluster]
    clusters = sorted({str(one.cluster) for one in named})
    if cluster is not None or len(clusters) < 2:
        return None
    of = ", ".join(f"{one.name} (of {one.cluster})" for one in named)
    said = (
        f"left out: {of}; the address in the kubeconfig is none that Dure's API has for these clusters, so say which "
        f"of them this is: --cluster {clusters[0]}"
    )
    return Finding(check="pools", ok=None, said=said, essential=False)


def nobody_names(found: Iterable[wire.Pool], cluster: str | None, told_of: Iterable[str]) -> Finding | None:
    """Where no pool names the cluster that was said, and no scheduler is told of it either, the name may be wrong."""
    named = {one.cluster for one in found if one.cluster}
    if cluster is None or cluster in named or cluster in set(told_of):
        return None
    there = ", ".join(sorted({*named, *told_of})) or "none yet"
    said = f"nothing names a cluster {cluster}; Dure knows of {there}: say one of them by --cluster, or dure pool enforce POOL --cluster {cluster}"
    return Finding(check="pools", ok=None, said=said)


def is_same_address(one: str, other: str) -> bool:
    """Whether two addresses of an API server are the same, however they are written."""
    return _reached(one) == _reached(other)


def _reached(address: str) -> tuple[str | None, int | None]:
    found = urlsplit(address)
    try:
        return found.hostname, found.port or 443
    except ValueError:
        return address, None


def unserved(found: Iterable[wire.Pool]) -> list[Finding]:
    """One for each pool whose cluster no scheduler is told of, whichever cluster is looked at: a name may be wrong."""
    return [
        Finding(
            check="pools",
            ok=False,
            said=f"pool {one.name} names cluster {one.cluster}, which no scheduler is told of, so nobody enforces its leases: "
            f"dure pool enforce {one.name} --cluster NAME (dure clusters lists them), or name it in DURE_SCHEDULER_CLUSTERS",
        )
        for one in found
        if one.cluster_state is wire.ClusterState.UNKNOWN
    ]


def _label(node: Json) -> str | None:
    """The pool that it says."""
    return labels(node).get(POOL_LABEL)


def _pool(
    pool: wire.Pool, nodes: Sequence[Json], taint_key: str, shown: Mapping[str, Collection[str]]
) -> list[Finding]:
    mine = [
        Adopted(
            name=name(one),
            has=has(one, pool.resource),
            is_tainted=is_tainted(one, taint_key),
            is_labelled=_label(one) == pool.name,
        )
        for one in nodes
        if kube_nodes.is_of(pool.name, name(one), _label(one), shown)
    ]
    found = [
        Finding(check="pools", ok=False, said=said)
        for said in kube_nodes.wrong(pool.name, pool.resource, mine, taint_key)
    ]
    count = f"{len(mine)} node" + ("" if len(mine) == 1 else "s")
    return found or [Finding(check="pools", ok=True, said=f"pool {pool.name} has {count} with {pool.resource}")]
