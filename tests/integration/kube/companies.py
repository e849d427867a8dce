"""Companies on a test cluster, as the reconciler makes them; and the plainest pods in them."""

from typing import Any

import httpx

from dure import kube

APPLY = {"Content-Type": "application/apply-patch+yaml"}


def namespace(client: httpx.Client, name: str, labels: dict[str, str], *, level: str = "baseline") -> httpx.Response:
    labels = {"pod-security.kubernetes.io/enforce": level, **labels}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    params = {"fieldManager": kube.MANAGER, "force": "true"}
    return client.patch(f"/api/v1/namespaces/{name}", params=params, headers=APPLY, json=body)


def pod(name: str, *, gpus: int = 1, **spec: Any) -> dict[str, Any]:
    resources = {"limits": {kube.DEFAULT_RESOURCE: gpus}} if gpus else {}
    containers = [{"name": "main", "image": "busybox", "resources": resources}]
    return {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def bind(
    client: httpx.Client, namespace: str, name: str, subjects: list[dict], *, role: str = kube.LEASE_ROLE
) -> httpx.Response:
    rbac = "rbac.authorization.k8s.io"
    body = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
        "subjects": subjects,
    }
    return client.post(f"/apis/{rbac}/v1/namespaces/{namespace}/rolebindings", json=body)
