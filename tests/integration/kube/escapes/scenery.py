"""What the scene of the attempts has besides leases and keys: what a tenant might want to use, and the words for it all."""

from contextlib import ExitStack
from typing import Any

import httpx

from dure import kube
from tests.integration.kube.escapes import objects
from tests.integration.kube.escapes.ledger import Ledger
from tests.integration.kube.stand import Stand


def words(made: Stand, operator: httpx.Client, ledger: Ledger, stack: ExitStack) -> dict[str, Any]:
    """What attempts speak of: see objects.py."""
    ours, theirs = ledger.leases
    found = {
        **_tempting(made.tag, operator, stack),
        "company": made.acme,
        "ns": made.namespace(),
        "lease": ours.id,
        "account": kube.lease_account(ours.id),
        "node": next(iter(ours.nodes)),
        "waiting": "waiting",
        "running": "running",
        "their_ns": made.namespace(made.globex),
        "their_lease": theirs.id,
        "their_node": next(iter(theirs.nodes)),
        "their_pod": "theirs-0",
        "idle_node": next(name for name in made.nodes if name not in {*ours.nodes, *theirs.nodes}),
        "many_containers": [{"name": f"c{number}", "image": "busybox"} for number in range(40)],
        "many_variables": [{"name": f"V{number}", "value": "x"} for number in range(600)],
    }
    return {**found, "plain_pod": objects.build({"cpu": {}}, {**found, "name": "elsewhere"})}


def _tempting(tag: str, operator: httpx.Client, stack: ExitStack) -> dict[str, str]:
    """Things of the operator's that a tenant might want to use."""
    tolerations = [{"key": kube.TAINT_KEY, "operator": "Exists"}]
    made = {
        "/apis/node.k8s.io/v1/runtimeclasses": {"handler": "runc", "scheduling": {"tolerations": tolerations}},
        "/apis/scheduling.k8s.io/v1/priorityclasses": {"value": 1_000_000},
        "/apis/resource.k8s.io/v1/deviceclasses": {"spec": {"extendedResourceName": f"example.org/gpu-{tag}"}},
    }
    for path, body in made.items():
        operator.post(path, json={"metadata": {"name": f"test-{tag}"}, **body}).raise_for_status()
        stack.callback(operator.delete, f"{path}/test-{tag}")
    names = dict.fromkeys(("runtime_class", "priority_class", "device_class"), f"test-{tag}")
    return {**names, "device_class_resource": f"deviceclass.resource.kubernetes.io/test-{tag}"}


def enthrone(made: Stand, operator: httpx.Client, who: str) -> None:
    """Somebody whom an operator once made cluster-admin of the company's namespace."""
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": who},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": f"{who}-{made.acme}"}],
    }
    path = f"/apis/{rbac}/v1/namespaces/{made.namespace()}/rolebindings"
    operator.post(path, json=binding).raise_for_status()


def volume(made: Stand, operator: httpx.Client, stack: ExitStack) -> None:
    """What a claim called like its volume is bound to; there is no provisioner here."""
    name, path = f"{made.acme}-data", "/api/v1/persistentvolumes"
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "hostPath": {"path": "/none"},
        "claimRef": {"namespace": made.namespace(), "name": "data"},
    }
    operator.post(path, json={"metadata": {"name": name}, "spec": spec}).raise_for_status()
    stack.callback(operator.delete, f"{path}/{name}")
