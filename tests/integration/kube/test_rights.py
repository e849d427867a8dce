"""The reconciler's role has what it uses and nothing else: its whole life is played, and each call is in the audit log."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from dure import kube
from scheduler.store.db import Database
from tests.cluster.cluster import MERGE, Cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kwok import COMPLETES_AFTER
from tests.integration.kube import chart
from tests.integration.kube.stand import Stand, pod, soon, stand

pytestmark = pytest.mark.timeout(900)

Right = tuple[str, str]
"""A verb, and a resource with its subresource."""

UNSEEN = frozenset({("bind", "clusterroles")})
"""Asked for when a binding is made, and no call of its own."""

LEFT_OVER: dict[str, dict[str, Any]] = {
    "/api/v1/namespaces/{}/resourcequotas": {"spec": {"hard": {}}},
    "/api/v1/namespaces/{}/limitranges": {"spec": {"limits": []}},
    "/api/v1/namespaces/{}/serviceaccounts": {},
    "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies": {"spec": {"podSelector": {}}},
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings": {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": kube.LEASE_ROLE}
    },
}
"""Objects that look like ours and that nothing wants."""


def test_the_reconciler_s_role_has_each_verb_that_it_uses_and_no_other(
    database: Database, control_planes: Callable[..., ControlPlane]
):
    cluster = control_planes(audit=True).cluster
    # A watch is in the audit log once it has ended.
    with stand(database, cluster, relist_s=5) as made, made.loop():
        soon(made.has_key, "the company's namespace and key")
        _a_lease(made)
        _repairs(made)
        made.close_company(ago_s=30 * 86_400)
        soon(lambda: made.get(f"/api/v1/namespaces/{made.namespace()}") is None, "the namespace to be gone")
    name = f"system:serviceaccount:{kube.SYSTEM_NAMESPACE}:{kube.RECONCILER_ACCOUNT}"
    calls = [call for call in cluster.audited() if call["user"]["username"] == name]
    refused = {_of(call) for call in calls if call.get("responseStatus", {}).get("code") in (401, 403)}
    assert not refused
    used = {right for call in calls for right in _used(call)} | UNSEEN
    assert used == _granted(cluster)


def _a_lease(made: Stand) -> None:
    lease = made.ask(8, duration_s=15)
    brief = pod("brief", 1)
    brief["metadata"]["annotations"] = {COMPLETES_AFTER: "0.1s"}
    made.make(pod("mine", 1), brief)
    soon(lambda: "mine" in made.running(), "the pod to run")
    soon(lambda: made.lease(lease).state == "ended" and "mine" not in made.pods(), "the lease to end")


def _repairs(made: Stand) -> None:
    """What looks like ours and is not wanted is taken away, and what is changed is put right."""
    namespace = f"/api/v1/namespaces/{made.namespace()}"
    body = {"metadata": {"name": "dure-left", "labels": {kube.MANAGED_BY: kube.MANAGER}}}
    paths = {path.format(made.namespace()): more for path, more in LEFT_OVER.items()}
    level = "pod-security.kubernetes.io/warn"
    with chart.break_glass(made.cluster) as operator:
        for path, more in paths.items():
            operator.post(path, json={**body, **more}).raise_for_status()
        relabel = {"metadata": {"labels": {level: None}}}
        operator.patch(namespace, headers=MERGE, json=relabel).raise_for_status()
    soon(lambda: not any(made.get(f"{path}/dure-left") for path in paths), "what is left over to be gone")
    soon(lambda: level in made.cluster.get(namespace)["metadata"]["labels"], "the namespace to be put right")


def _of(call: Mapping[str, Any]) -> Right:
    about = call.get("objectRef", {})
    part = about.get("subresource")
    return call["verb"], about.get("resource", "") + (f"/{part}" if part else "")


def _used(call: Mapping[str, Any]) -> Iterator[Right]:
    """Applying what is not there takes the right to create it as well."""
    verb, resource = _of(call)
    if resource:
        yield verb, resource
        if verb == "patch" and call.get("responseStatus", {}).get("code") == 201:
            yield "create", resource


def _granted(cluster: Cluster) -> set[Right]:
    role = cluster.get(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{kube.RECONCILER_ACCOUNT}")
    return {
        (verb, resource) for rule in role["rules"] for verb in rule["verbs"] for resource in rule.get("resources", ())
    }
