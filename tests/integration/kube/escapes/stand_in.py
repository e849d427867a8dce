"""Plays the reconciler with its own ServiceAccount, so that the chart is tried with the rights that it really gives."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import httpx

from dure import kube
from tests.integration.kube.escapes import pods
from tests.integration.kube.escapes.ledger import Lease, Ledger

HOSTNAME = "kubernetes.io/hostname"
TURN_S = 0.1
DEADLINE_S = 3600


class Reconciler(Protocol):
    """What a test asks of whatever enforces the ledger."""

    def company(self, name: str, *, quota: int) -> None:
        """Makes the namespace and all that bounds it."""
        ...

    def start(self, lease: Lease) -> None:
        """Of a held lease: its key can be made from now on."""
        ...

    def end(self, lease: Lease) -> None:
        """Of one that is held no more: its key is dead and its pods are told to end."""
        ...

    def turning(self) -> Any:
        """A context in which gates are opened as leases allow."""
        ...


class StandIn:
    def __init__(self, client: httpx.Client, ledger: Ledger) -> None:
        self._client = client
        self._ledger = ledger

    def company(self, name: str, *, quota: int) -> None:
        namespace = kube.namespace(name)
        labels = {
            kube.COMPANY_LABEL: name,
            "pod-security.kubernetes.io/enforce": "baseline",
            "pod-security.kubernetes.io/warn": "restricted",
        }
        self._apply("/api/v1/namespaces", "v1", "Namespace", namespace, {"metadata": {"labels": labels}})
        core, inside = "/api/v1", f"namespaces/{namespace}"
        hard = {f"requests.{kube.DEFAULT_RESOURCE}": str(quota)}
        self._apply(f"{core}/{inside}/resourcequotas", "v1", "ResourceQuota", kube.QUOTA, {"spec": {"hard": hard}})
        limits = [{"type": "Container", "defaultRequest": {"cpu": "10m", "memory": "16Mi"}}]
        self._apply(f"{core}/{inside}/limitranges", "v1", "LimitRange", kube.LIMITS, {"spec": {"limits": limits}})
        networking = "networking.k8s.io/v1"
        policy = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]}
        self._apply(
            f"/apis/{networking}/{inside}/networkpolicies",
            networking,
            "NetworkPolicy",
            kube.ISOLATION,
            {"spec": policy},
        )
        self._key(namespace, kube.COMPANY_KEY, kube.COMPANY_KEY)

    def start(self, lease: Lease) -> None:
        self._key(lease.namespace, kube.lease_account(lease.id), kube.LEASE_ROLE)

    def end(self, lease: Lease) -> None:
        account, inside = kube.lease_account(lease.id), f"namespaces/{lease.namespace}"
        self._client.delete(f"/apis/rbac.authorization.k8s.io/v1/{inside}/rolebindings/{account}").raise_for_status()
        self._client.delete(f"/api/v1/{inside}/serviceaccounts/{account}").raise_for_status()
        for pod in self._pods(lease.namespace):
            if pod["metadata"].get("labels", {}).get(kube.PLACEMENT_LABEL) == lease.id:
                self._delete(pod)

    @contextmanager
    def turning(self) -> Iterator[None]:
        """Raises what a turn raised."""
        over = threading.Event()
        trouble: list[BaseException] = []

        def turn() -> None:
            try:
                while not over.wait(TURN_S):
                    self.turn()
            except BaseException as error:  # noqa: BLE001 - raised again by the test
                trouble.append(error)

        thread = threading.Thread(target=turn)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if trouble:
            raise trouble[0]

    def turn(self) -> None:
        for lease in self._ledger.leases:
            if lease.held:
                self._open(lease, self._pods(lease.namespace))

    def _open(self, lease: Lease, found: list[dict[str, Any]]) -> None:
        free = dict(lease.nodes)
        for pod in found:
            if pod["metadata"].get("labels", {}).get(kube.PLACEMENT_LABEL) == lease.id:
                free[pod["spec"]["nodeSelector"][HOSTNAME]] -= pods.gpus(pod)
        for pod in found:
            node = next((node for node, left in free.items() if _fits(pod, lease, left)), None)
            if node and self._pin(pod, lease, node):
                free[node] -= pods.gpus(pod)

    def _pin(self, pod: Mapping[str, Any], lease: Lease, node: str) -> bool:
        spec, meta = pod["spec"], pod["metadata"]
        gates = [gate for gate in spec["schedulingGates"] if gate["name"] != kube.GATE]
        toleration = {"key": kube.TAINT_KEY, "operator": "Exists", "effect": "NoSchedule"}
        annotations = {**meta.get("annotations", {}), kube.ENDS_AT: "2026-11-30T00:00:00Z"}
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]},
            {"op": "add", "path": "/spec/nodeSelector", "value": {**spec.get("nodeSelector", {}), HOSTNAME: node}},
            {"op": "add", "path": "/spec/tolerations", "value": [*spec.get("tolerations", []), toleration]},
            {"op": "add", "path": "/metadata/labels/dure.dev~1placement", "value": lease.id},
            {"op": "add", "path": "/metadata/annotations", "value": annotations},
            {"op": "replace", "path": "/spec/schedulingGates", "value": gates},
            {"op": "add", "path": "/spec/activeDeadlineSeconds", "value": DEADLINE_S},
        ]
        headers = {"Content-Type": "application/json-patch+json"}
        path = f"/api/v1/namespaces/{lease.namespace}/pods/{meta['name']}"
        answer = self._client.patch(path, json=patch, headers=headers)
        if answer.status_code in (404, 409, 422):
            # It changed or went meanwhile: the next turn sees it as it is.
            return False
        answer.raise_for_status()
        return True

    def _delete(self, pod: Mapping[str, Any]) -> None:
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        if pod["metadata"].get("finalizers"):
            headers = {"Content-Type": "application/merge-patch+json"}
            self._client.patch(path, json={"metadata": {"finalizers": None}}, headers=headers).raise_for_status()
        answer = self._client.request("DELETE", path, json={"gracePeriodSeconds": 1})
        if answer.status_code != 404:
            answer.raise_for_status()

    def _pods(self, namespace: str) -> list[dict[str, Any]]:
        return (
            self._client.get("/api/v1/pods", params={"fieldSelector": f"metadata.namespace={namespace}"})
            .raise_for_status()
            .json()["items"]
        )

    def _key(self, namespace: str, account: str, role: str) -> None:
        self._apply(f"/api/v1/namespaces/{namespace}/serviceaccounts", "v1", "ServiceAccount", account, {})
        rbac = "rbac.authorization.k8s.io"
        binding = {
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        }
        self._apply(
            f"/apis/{rbac}/v1/namespaces/{namespace}/rolebindings", f"{rbac}/v1", "RoleBinding", account, binding
        )

    def _apply(self, path: str, version: str, kind: str, name: str, body: dict[str, Any]) -> None:
        labels = {kube.MANAGED_BY: kube.MANAGER, **body.get("metadata", {}).get("labels", {})}
        whole = {"apiVersion": version, "kind": kind, **body, "metadata": {"name": name, "labels": labels}}
        params = {"fieldManager": kube.MANAGER, "force": "true"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        self._client.patch(f"{path}/{name}", params=params, headers=headers, json=whole).raise_for_status()


def _fits(pod: Mapping[str, Any], lease: Lease, left: int) -> bool:
    meta, spec = pod["metadata"], pod["spec"]
    gated = any(gate["name"] == kube.GATE for gate in spec.get("schedulingGates", []))
    named = meta.get("labels", {}).get(kube.LEASE_LABEL) == lease.id
    ends_in_time = spec.get("terminationGracePeriodSeconds", 30) <= lease.grace_s
    others = {name for each in pods.containers(pod) for name in (each.get("resources") or {}).get("limits") or {}}
    right = {name for name in others if pods.is_gpu(name)} == {kube.DEFAULT_RESOURCE}
    pinned = HOSTNAME in spec.get("nodeSelector", {})
    return (
        gated
        and named
        and ends_in_time
        and right
        and not pinned
        and "deletionTimestamp" not in meta
        and 0 < pods.gpus(pod) <= left
    )
