"""Kubernetes objects with defaults, as kubectl prints them."""

import copy
import json
from typing import Any

from dure import kube
from dure.kube_policies import POLICIES


def a_node(name: str = "gpu-01", *, pool: str | None = None, gpus: int = 8, tainted: bool = False) -> dict[str, Any]:
    taint = {"key": kube.TAINT_KEY, "value": "present", "effect": "NoSchedule"}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux"} | ({kube.POOL_LABEL: pool} if pool else {})},
        "spec": {"taints": [taint]} if tainted else {},
        "status": {"allocatable": {"cpu": "96"} | ({kube.DEFAULT_RESOURCE: str(gpus)} if gpus else {})},
    }


def a_daemon_set(name: str, *tolerations: dict[str, str], selects: dict[str, str] | None = None) -> dict[str, Any]:
    spec = {"tolerations": list(tolerations), "nodeSelector": selects or {}}
    return {"metadata": {"namespace": "kube-system", "name": name}, "spec": {"template": {"spec": spec}}}


def a_kube_pod(name: str, *, namespace: str = "default", gpus: int = 0, **more: Any) -> dict[str, Any]:
    limits = {kube.DEFAULT_RESOURCE: str(gpus)} if gpus else {}
    return {
        "metadata": {"namespace": namespace, "name": name, **more.get("metadata", {})},
        "spec": {"containers": [{"name": "main", "resources": {"limits": limits}}]},
        "status": {"phase": more.get("phase", "Running")},
    }


def a_namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {key.replace("__", "/"): value for key, value in labels.items()}}}


def an_own_namespace(company: str) -> dict[str, Any]:
    labels = {kube.MANAGED_BY: kube.MANAGER, kube.COMPANY_LABEL: company}
    return {"metadata": {"name": kube.namespace(company), "labels": labels}}


def a_key(company: str) -> dict[str, Any]:
    """The binding that a company's key has its rights by."""
    metadata = {
        "name": kube.COMPANY_KEY,
        "namespace": kube.namespace(company),
        "labels": {kube.MANAGED_BY: kube.MANAGER},
    }
    return {"metadata": metadata, "roleRef": {"kind": "ClusterRole", "name": kube.COMPANY_KEY}}


def called(*names: str) -> list[dict[str, Any]]:
    return [{"metadata": {"name": name}} for name in names]


def shipped(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """As the chart writes it, and as the API server fills it in."""
    annotations = {kube.SHIPPED: json.dumps(spec)}
    filled = {
        "matchConstraints": {"matchPolicy": "Equivalent", "objectSelector": {}, **spec.get("matchConstraints", {})}
    }
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": spec if "policyName" in spec else spec | filled,
    }


def the_chart() -> dict[str, list[dict[str, Any]]]:
    """All of its policies and bindings, by kind."""
    rules = {"namespaceSelector": {"matchExpressions": [{"key": kube.COMPANY_LABEL, "operator": "Exists"}]}}
    spec = {"failurePolicy": "Fail", "matchConstraints": rules, "validations": [{"expression": "a < b"}]}
    return {
        kind: [
            shipped(name, _binding(name, kind) if kind.endswith("bindings") else copy.deepcopy(spec))
            for name in POLICIES[kind]
        ]
        for kind in POLICIES
    }


def _binding(name: str, kind: str) -> dict[str, Any]:
    actions = {"validationActions": ["Deny"]} if kind.startswith("validating") else {}
    return {"policyName": name, **actions}
