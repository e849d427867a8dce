"""What a company has in a cluster: its namespace, and the objects in it that bound what it can do."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from dure import kube
from scheduler.kube.actions import Json
from scheduler.kube.desired import CompanyNow, LeaseNow, Terms

MOST_PODS = 500
"""In a namespace, beside two for each GPU that is booked, so that nobody's gated pods fill the API server."""

POD_SECURITY = "pod-security.kubernetes.io/"
ENFORCE = POD_SECURITY + "enforce"
LEVELS = {POD_SECURITY + "warn": "restricted", POD_SECURITY + "audit": "restricted"}


def namespace(company: str, pod_security: str = "baseline") -> Json:
    """The company label on it switches the admission policies on."""
    name = kube.namespace(company)
    labels = {kube.COMPANY_LABEL: company, kube.MANAGED_BY: kube.MANAGER, ENFORCE: pod_security, **LEVELS}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def strange_levels(found: Mapping[str, Any]) -> list[str]:
    """Labels of Pod Security on a namespace that we do not write, such as an older version of its level."""
    said = found["metadata"].get("labels") or {}
    return [one for one in said if one.startswith(POD_SECURITY) and one != ENFORCE and one not in LEVELS]


def objects(
    company: CompanyNow,
    resources: tuple[str, ...],
    terms: Terms,
    now: float,
    left_over: Mapping[str, int] | None = None,
) -> Mapping[str, Json]:
    """All that should be in its namespace, by path. `left_over` are GPUs by resource that pods of leases gone by ask for."""
    name = kube.namespace(company.name)
    found = [
        _quota(name, company, resources, left_over or {}),
        _limits(name),
        _isolation(name, terms.closed_networks),
    ]
    if company.closed_at is None or company.leases:
        found += [_account(name, kube.COMPANY_KEY, {}), _binding(name, kube.COMPANY_KEY, kube.COMPANY_KEY, {})]
    wanted = {path(one): one for one in found}
    for lease in company.leases:
        if lease.holds and now < lease.stops_at:
            wanted |= _of_lease(name, lease.id)
    return wanted


@lru_cache(maxsize=16_384)
def _of_lease(namespace: str, lease: str) -> Mapping[str, Json]:
    """The same at every look: made once."""
    account, labels = kube.lease_account(lease), {kube.LEASE_LABEL: lease}
    found = (_account(namespace, account, labels), _binding(namespace, account, kube.LEASE_ROLE, labels))
    return {path(one): one for one in found}


def key(company: str) -> str:
    """The path of the binding that a company's key has its rights by."""
    return path(_binding(kube.namespace(company), kube.COMPANY_KEY, kube.COMPANY_KEY, {}))


def lease_key(company: str, lease: str) -> str:
    """The path of the binding that a lease's key has its rights by."""
    return next(one for one in _of_lease(kube.namespace(company), lease) if BINDINGS in one)


BINDINGS = "/rolebindings/"

PLURALS = {
    "ResourceQuota": "resourcequotas",
    "LimitRange": "limitranges",
    "NetworkPolicy": "networkpolicies",
    "ServiceAccount": "serviceaccounts",
    "RoleBinding": "rolebindings",
    "Namespace": "namespaces",
}


def path(body: Json) -> str:
    """Where the API server has an object."""
    version, meta = body["apiVersion"], body["metadata"]
    root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    inside = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    return f"{root}{inside}/{PLURALS[body['kind']]}/{meta['name']}"


def _object(kind: str, version: str, namespace: str, name: str, labels: Mapping[str, str], **rest: object) -> Json:
    metadata = {"name": name, "namespace": namespace, "labels": {kube.MANAGED_BY: kube.MANAGER, **labels}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def _quota(namespace: str, company: CompanyNow, resources: tuple[str, ...], left_over: Mapping[str, int]) -> Json:
    """Of all leases that hold GPUs or are scheduled, so that tomorrow's pods may wait at the gate today.

    A Job that its lease ended makes its pod again, which waits for a lease that is over. It takes nothing from the pods of
    other leases; so that nobody fills the cluster with such pods, they are counted out up to what is booked.
    """
    hard: dict[str, str] = {}
    for resource in resources:
        booked = _booked(company.leases, resource)
        hard[f"requests.{resource}"] = quantity(booked + min(booked, left_over.get(resource, 0)))
    hard["pods"] = quantity(MOST_PODS + 2 * sum(lease.gpus for lease in company.leases))
    return _object("ResourceQuota", "v1", namespace, kube.QUOTA, {}, spec={"hard": hard})


def quantity(count: int) -> str:
    """As the API server writes it, so that what was applied is found again: a thousand is `1k`."""
    return f"{count // 1000}k" if count and count % 1000 == 0 else str(count)


def _booked(leases: tuple[LeaseNow, ...], resource: str) -> int:
    return sum(lease.gpus for lease in leases if lease.resource == resource)


def _limits(namespace: str) -> Json:
    """What a container that says nothing of itself asks for."""
    asks = {"cpu": "100m", "memory": "256Mi"}
    limits = [{"type": "Container", "defaultRequest": asks}]
    return _object("LimitRange", "v1", namespace, kube.LIMITS, {}, spec={"limits": limits})


def _isolation(namespace: str, closed: tuple[str, ...]) -> Json:
    """In from the own namespace; out to it, to DNS and to the internet, but for what is closed."""
    own = {"podSelector": {}}
    dns = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    system = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    egress = [
        {"to": [own]},
        {"to": [system], "ports": dns},
        {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", **({"except": list(closed)} if closed else {})}}]},
    ]
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{"from": [own]}], "egress": egress}
    return _object("NetworkPolicy", "networking.k8s.io/v1", namespace, kube.ISOLATION, {}, spec=spec)


def _account(namespace: str, name: str, labels: Mapping[str, str]) -> Json:
    return _object("ServiceAccount", "v1", namespace, name, labels, automountServiceAccountToken=False)


def _binding(namespace: str, name: str, role: str, labels: Mapping[str, str]) -> Json:
    return _object(
        "RoleBinding",
        "rbac.authorization.k8s.io/v1",
        namespace,
        name,
        labels,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        subjects=[{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    )
