"""Looks at the cluster as its administrator, knows the ledger, and asks nobody: who has a GPU that he does not hold?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dure import kube
from tests.cluster.cluster import Cluster
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


def escapes(cluster: Cluster, ledger: Ledger, namespaces: Sequence[str]) -> list[str]:
    """Everything in these namespaces, and on the nodes of the ledger, that no lease explains; each in words."""
    everything = cluster.get("/api/v1/pods")["items"]
    inside = [pod for pod in everything if pod["metadata"]["namespace"] in namespaces]
    found = [*_beyond_leases(everything, ledger), *_ungated(inside, ledger)]
    for namespace in namespaces:
        found += _unbounded(cluster, ledger, namespace)
        sources = _sources(cluster, namespace)
        found += [
            say for pod in inside if pod["metadata"]["namespace"] == namespace for say in back_doors(pod, sources)
        ]
    return found


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
        taken[pod["metadata"]["namespace"], node] += pods.gpus(pod)
        if not pods.gpus(pod) or not _explained(pod, ledger):
            found.append(f"{_name(pod)} is on {node}, and no lease explains it")
    over = [(where, count) for where, count in taken.items() if count > ledger.held(*where)]
    return found + [f"{namespace} has {count} GPUs of {node}, beyond its leases" for (namespace, node), count in over]


def _explained(pod: Mapping[str, Any], ledger: Ledger) -> bool:
    placement = pod["metadata"].get("labels", {}).get(kube.PLACEMENT_LABEL)
    return any(
        lease.held and lease.id == placement and pod["spec"]["nodeName"] in lease.nodes
        for lease in ledger.of(pod["metadata"]["namespace"])
    )


def _ungated(inside: Sequence[Mapping[str, Any]], ledger: Ledger) -> list[str]:
    """Pods that ask for GPUs, or look placed, and are neither at the gate nor where a lease is."""
    found = []
    for pod in inside:
        gated = any(gate["name"] == kube.GATE for gate in pod["spec"].get("schedulingGates") or [])
        placed = kube.PLACEMENT_LABEL in pod["metadata"].get("labels", {})
        chosen = pod["spec"].get("nodeSelector", {}).get("kubernetes.io/hostname")
        explained = any(
            lease.held
            and lease.id == pod["metadata"].get("labels", {}).get(kube.PLACEMENT_LABEL)
            and chosen in lease.nodes
            for lease in ledger.of(pod["metadata"]["namespace"])
        )
        wants = bool(pods.gpus(pod)) or placed
        if wants and not gated and not explained:
            found.append(f"{_name(pod)} is not at the gate")
    return found


def _unbounded(cluster: Cluster, ledger: Ledger, namespace: str) -> list[str]:
    """What bounds a company, and is not as it was made."""
    found = []
    meta = cluster.get(f"/api/v1/namespaces/{namespace}")["metadata"]
    if kube.namespace(meta["labels"].get(kube.COMPANY_LABEL, "")) != namespace:
        found.append(f"{namespace} has lost its label")
    if meta["labels"].get("pod-security.kubernetes.io/enforce") != "baseline":
        found.append(f"{namespace} has another Pod Security")
    inside = f"namespaces/{namespace}"
    expected = {
        f"/api/v1/{inside}/resourcequotas": {kube.QUOTA},
        f"/api/v1/{inside}/limitranges": {kube.LIMITS},
        f"/apis/networking.k8s.io/v1/{inside}/networkpolicies": {kube.ISOLATION},
        f"/api/v1/{inside}/serviceaccounts": {"default", kube.COMPANY_KEY, *_accounts(ledger, namespace)},
        f"/apis/rbac.authorization.k8s.io/v1/{inside}/roles": set(),
        f"/apis/rbac.authorization.k8s.io/v1/{inside}/rolebindings": {
            kube.COMPANY_KEY,
            "ruler",
            *_accounts(ledger, namespace),
        },
        f"/apis/resource.k8s.io/v1/{inside}/resourceclaims": set(),
    }
    for path, names in expected.items():
        seen = {each["metadata"]["name"] for each in cluster.get(path)["items"]}
        if not seen <= names or (kube.COMPANY_KEY not in names and seen != names):
            found.append(f"{path} has {sorted(seen)}, not {sorted(names)}")
    secrets = cluster.get(f"/api/v1/{inside}/secrets")["items"]
    found += [
        f"{namespace} keeps a token in {_name(s)}"
        for s in secrets
        if s["type"] == "kubernetes.io/service-account-token"
    ]
    quota = cluster.get(f"/api/v1/{inside}/resourcequotas/{kube.QUOTA}")["spec"]["hard"]
    if set(quota) != {f"requests.{kube.DEFAULT_RESOURCE}"} or quota[f"requests.{kube.DEFAULT_RESOURCE}"] != str(QUOTA):
        found.append(f"{namespace} has the quota {quota}")
    return found


QUOTA = 4096
"""Of every company of these tests, in GPUs: so wide that it is the policies that hold."""


def _accounts(ledger: Ledger, namespace: str) -> set[str]:
    return {kube.lease_account(lease.id) for lease in ledger.of(namespace) if lease.held}


def _sources(cluster: Cluster, namespace: str) -> dict[tuple[str, str], set[str]]:
    """The keys of all that an environment may be made from, as they are now."""
    found = {}
    for kind, plural in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
        for each in cluster.get(f"/api/v1/namespaces/{namespace}/{plural}")["items"]:
            found[kind, each["metadata"]["name"]] = {*(each.get("data") or {}), *(each.get("binaryData") or {})}
    return found


def _name(made: Mapping[str, Any]) -> str:
    return f"{made['metadata']['namespace']}/{made['metadata']['name']}"
