"""A node of a cluster comes under Dure: what has to be changed on it, and whom that touches. Pure; kubectl does it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dure.kube import POOL_LABEL, namespace
from dure.kube_objects import Json, at, each, has, is_tainted, labels, named
from dure.kube_objects import name as name_of

VALUE, EFFECT = "present", "NoSchedule"
"""Of the taint; who is on the node already stays."""

PREFIX = namespace("")
"""Of companies' namespaces."""


class NotAdopted(Exception):
    """The node cannot come under Dure as it is; the text says why and what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """`label` and `taint` are what is to be put on the node, as kubectl takes it; None where it is there."""

    label: str | None
    taint: str | None
    daemon_sets: tuple[str, ...]
    """Those whose pods will not come back to it, as they do not tolerate the taint."""
    pods: tuple[str, ...]
    """Those of others that are on it and stay."""
    takers: tuple[str, ...]
    """Of these, those that take GPUs of the pool."""


def adoption(
    node: Json, pool: str, resource: str, taint_key: str, daemon_sets: Iterable[Json], pods: Iterable[Json]
) -> Adoption:
    """Raises NotAdopted."""
    name, has_labels = name_of(node), labels(node)
    other = has_labels.get(POOL_LABEL, pool)
    if other != pool:
        raise NotAdopted(
            f"node {name} is of pool {other}; take that away first: kubectl label node {name} {POOL_LABEL}-"
        )
    if not has(node, resource):
        known = ", ".join(sorted(one for one in named(node, "status", "allocatable") if "/" in one)) or "none"
        raise NotAdopted(
            f"node {name} has no {resource}, which pool {pool} is of; it has: {known}. Its device plugin may not run, "
            f"or the pool is of another: dure pool enforce {pool} --resource"
        )
    others = [one for one in pods if _is_others(one)]
    return Adoption(
        label=None if POOL_LABEL in has_labels else f"{POOL_LABEL}={pool}",
        taint=None if is_tainted(node, taint_key) else f"{taint_key}={VALUE}:{EFFECT}",
        daemon_sets=tuple(sorted(_called(one) for one in daemon_sets if _stays_away(one, has_labels, taint_key))),
        pods=tuple(sorted(_called(one) for one in others)),
        takers=tuple(sorted(_called(one) for one in others if takes(one, resource))),
    )


def _stays_away(daemon_set: Json, has_labels: Mapping[str, str], key: str) -> bool:
    spec: Json = at(daemon_set, "spec", "template", "spec") or {}
    meant = all(has_labels.get(name) == value for name, value in named(spec, "nodeSelector").items())
    return meant and not any(tolerates(one, key) for one in each(spec, "tolerations"))


def tolerates(toleration: Json, key: str, value: str = VALUE) -> bool:
    """Whether it lets a pod onto a node with the taint, by the rules of Kubernetes."""
    if toleration.get("effect") not in (None, "", EFFECT):
        return False
    if not toleration.get("key"):
        return toleration.get("operator") == "Exists"
    if toleration["key"] != key:
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == value


def _is_others(pod: Json) -> bool:
    """Nobody's DaemonSet, no static pod, none of a company, and not over."""
    owners = {one.get("kind") for one in each(pod, "metadata", "ownerReferences")}
    mirrored = "kubernetes.io/config.mirror" in named(pod, "metadata", "annotations")
    over = at(pod, "status", "phase") in ("Succeeded", "Failed")
    companys = str(at(pod, "metadata", "namespace")).startswith(PREFIX)
    return not (mirrored or over or companys or "DaemonSet" in owners)


def takes(pod: Json, resource: str) -> bool:
    """Whether some container of it asks for the resource."""
    containers = each(pod, "spec", "containers") + each(pod, "spec", "initContainers")
    return any(resource in named(one, "resources", "limits") for one in containers)


def _called(found: Json) -> str:
    return f"{at(found, 'metadata', 'namespace')}/{name_of(found)}"
