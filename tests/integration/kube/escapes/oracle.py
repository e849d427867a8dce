"""Looks at the cluster as its administrator, knows the ledger, and asks nobody: who has a GPU that he does not hold?"""

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from dure import kube
from tests.cluster.cluster import Cluster
from tests.cluster.kwok import COMPLETES_AFTER
from tests.integration.kube.escapes import pods
from tests.integration.kube.escapes.ledger import Ledger

CHOOSING = {
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_MIG_CONFIG_DEVICES",
    "NVIDIA_MIG_MONITOR_DEVICES",
    "NVIDIA_IMEX_CHANNELS",
}
DEVICES_MOUNTED = "nvidia-container-devices"
ACTED_ON = ("cdi.k8s.io", "nri.io", "cri-o", "containerd", "katacontainers", "kubernetes.io/config.", "cni.cncf.io")
HOSTLESS = {
    "configMap",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


Bounds = dict[str, Any]
"""By path, what bounds companies: specs, and who may do what."""

BOUNDING = (
    "/api/v1/namespaces/{}/resourcequotas",
    "/api/v1/namespaces/{}/limitranges",
    "/api/v1/namespaces/{}/serviceaccounts",
    "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "/apis/resource.k8s.io/v1/namespaces/{}/resourceclaims",
)


def bounds(cluster: Cluster, namespaces: Sequence[str]) -> Bounds:
    """As they are now."""
    found = {}
    for namespace in namespaces:
        path = f"/api/v1/namespaces/{namespace}"
        found[path] = cluster.get(path)["metadata"]["labels"]
        for path in (each.format(namespace) for each in BOUNDING):
            kept = ("spec", "rules", "roleRef", "subjects", "secrets")
            found[path] = {
                each["metadata"]["name"]: {part: each.get(part) for part in kept} for each in cluster.get(path)["items"]
            }
    return found


def escapes(cluster: Cluster, ledger: Ledger, before: Bounds, namespaces: Sequence[str]) -> list[str]:
    """Everything in these namespaces, and on the nodes of the ledger, that no lease explains; each in words."""
    everything = cluster.get("/api/v1/pods")["items"]
    inside = [pod for pod in everything if pod["metadata"]["namespace"] in namespaces]
    found = [*_beyond_leases(everything, ledger), *_ungated(inside, ledger)]
    after = bounds(cluster, namespaces)
    found += [
        f"{path} was {before[path]} and is {after[path]}" for path in before if not _holds(before[path], after[path])
    ]
    for namespace in namespaces:
        sources = _sources(cluster, namespace)
        found += [
            say for pod in inside if pod["metadata"]["namespace"] == namespace for say in back_doors(pod, sources)
        ]
        secrets = cluster.get(f"/api/v1/namespaces/{namespace}/secrets")["items"]
        found += [
            f"a token is kept in {_name(s)}" for s in secrets if s["type"] == "kubernetes.io/service-account-token"
        ]
    return found


def _holds(was: Bounds, now: Bounds) -> bool:
    """The same; but pods that wait for a lease gone by are counted out of the quota, up to as much again as is booked."""
    if was == now or not (kube.QUOTA in was and kube.QUOTA in now):
        return was == now
    before, after = (found[kube.QUOTA]["spec"]["hard"] for found in (was, now))
    counted = {name: (int(parse_quantity(before[name])), int(parse_quantity(after.get(name, 0)))) for name in before}
    if not all(least <= most <= 2 * least for least, most in counted.values()):
        return False
    raised = copy.deepcopy(was)
    raised[kube.QUOTA]["spec"]["hard"] |= {name: after[name] for name in before if name.startswith("requests.")}
    return raised == now


def history(events: Sequence[Mapping[str, Any]], ledger: Ledger) -> list[str]:
    """The same of every version of every pod since a watch began, for what was there for an instant only."""
    seen = [event["object"] for event in events if event["type"] in ("ADDED", "MODIFIED")]
    placed = [pod for pod in seen if pod["spec"].get("nodeName") in ledger.nodes]
    return [f"{_name(pod)} was on {pod['spec']['nodeName']}" for pod in placed if not _explained(pod, ledger)]


def back_doors(pod: Mapping[str, Any], sources: Mapping[tuple[str, str], set[str]]) -> list[str]:
    """Ways to devices past the resources that the pod asks for."""
    found = [f"variable {name}" for each in pods.containers(pod) for name in _variables(each, sources)]
    for each in pods.containers(pod):
        found += [
            f"mount {m['mountPath']}" for m in each.get("volumeMounts") or [] if DEVICES_MOUNTED in m["mountPath"]
        ]
        found += ["block device"] if each.get("volumeDevices") else []
        context = each.get("securityContext") or {}
        added = set((context.get("capabilities") or {}).get("add") or []) & {"MKNOD", "SYS_ADMIN", "ALL"}
        unmasked = context.get("procMount", "Default") != "Default"
        found += ["privileges"] if context.get("privileged") or added or unmasked else []
    spec = pod["spec"]
    found += [f"volume {v['name']}" for v in spec.get("volumes") or [] if not set(v) & HOSTLESS]
    found += [
        f"annotation {a}" for a in pod["metadata"].get("annotations") or {} if any(part in a for part in ACTED_ON)
    ]
    found += ["claim"] if spec.get("resourceClaims") else []
    found += ["host namespaces"] if any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")) else []
    found += ["key's account"] if spec.get("serviceAccountName", "").startswith("dure-") else []
    return [f"{_name(pod)} has a back door: {what}" for what in found]


def _variables(container: Mapping[str, Any], sources: Mapping[tuple[str, str], set[str]]) -> set[str]:
    """Those that choose devices; without GPUs, also an image's own must be overruled."""
    said = {each["name"]: each.get("value") for each in container.get("env") or []}
    made = {
        source.get("prefix", "") + key
        for source in container.get("envFrom") or []
        for kind in ("configMapRef", "secretRef")
        if kind in source
        for key in sources.get((kind, source[kind]["name"]), set())
    }
    chosen = {name for name in {*said, *made} & CHOOSING if said.get(name) != "void"}
    baked = not pods.asked(container) and said.get("NVIDIA_VISIBLE_DEVICES") != "void"
    return chosen | ({"NVIDIA_VISIBLE_DEVICES of the image"} if baked else set())


def _beyond_leases(everything: Sequence[Mapping[str, Any]], ledger: Ledger) -> list[str]:
    found, taken = [], Counter()
    for pod in everything:
        node = pod["spec"].get("nodeName")
        if node not in ledger.nodes:
            continue
        taken[pod["metadata"]["namespace"], node] += 0 if _over(pod) else pods.gpus(pod)
        if not pods.gpus(pod) or not _explained(pod, ledger):
            found.append(f"{_name(pod)} is on {node}, and no lease explains it")
    over = [(where, count) for where, count in taken.items() if count > ledger.held(*where)]
    return found + [f"{namespace} has {count} GPUs of {node}, beyond its leases" for (namespace, node), count in over]


def _over(pod: Mapping[str, Any]) -> bool:
    """Of those that were made to finish. What only looks finished is not believed."""
    phase = pod["status"].get("phase")
    return phase in ("Succeeded", "Failed") and COMPLETES_AFTER in pod["metadata"].get("annotations", {})


def _explained(pod: Mapping[str, Any], ledger: Ledger) -> bool:
    """Whether it is on, or bound for, a node of the lease that it is marked with, and that its company holds; or held, where it
    finished before.
    """
    where = pod["spec"].get("nodeName") or pod["spec"].get("nodeSelector", {}).get("kubernetes.io/hostname")
    placement = pod["metadata"].get("labels", {}).get(kube.PLACEMENT_LABEL)
    namespace = pod["metadata"]["namespace"]
    leases = ledger.had(namespace) if _over(pod) else ledger.of(namespace)
    return any(each.id == placement and where in each.nodes for each in leases)


def _ungated(inside: Sequence[Mapping[str, Any]], ledger: Ledger) -> list[str]:
    """Pods that ask for GPUs, or look placed, and are neither at the gate nor where a lease is."""
    found = []
    for pod in inside:
        gated = any(gate["name"] == kube.GATE for gate in pod["spec"].get("schedulingGates") or [])
        placed = kube.PLACEMENT_LABEL in pod["metadata"].get("labels", {})
        if (pods.gpus(pod) or placed) and not gated and not _explained(pod, ledger):
            found.append(f"{_name(pod)} is not at the gate")
    return found


def _sources(cluster: Cluster, namespace: str) -> dict[tuple[str, str], set[str]]:
    """The keys of all that an environment may be made from, as they are now."""
    found = {}
    for kind, plural in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
        for each in cluster.get(f"/api/v1/namespaces/{namespace}/{plural}")["items"]:
            found[kind, each["metadata"]["name"]] = set(each.get("data") or {})
    return found


def _name(made: Mapping[str, Any]) -> str:
    return f"{made['metadata']['namespace']}/{made['metadata']['name']}"
