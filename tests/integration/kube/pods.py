"""Pods as tests make them."""

from collections.abc import Mapping
from typing import Any

from dure import kube
from tests.cluster import nodes
from tests.cluster.images import BUSYBOX


def a_pod(
    name: str,
    *,
    gpus: int = 0,
    resource: str = kube.DEFAULT_RESOURCE,
    command: str = "exec sleep 3600",
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    node: str | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A pod of one container that runs `command` in busybox; `node` selects one by name, and tolerates its taint."""
    limits = {resource: str(gpus)} if gpus else {}
    container = {
        "name": "main",
        "image": BUSYBOX,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", command],
        "resources": {"limits": limits},
    }
    placed: dict[str, Any] = {}
    if node:
        toleration = {key: nodes.TAINT[key] for key in ("key", "effect")} | {"operator": "Exists"}
        placed = {"nodeSelector": {"kubernetes.io/hostname": node}, "tolerations": [toleration]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": dict(annotations or {}), "labels": dict(labels or {})},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 5, **placed, **spec},
    }
