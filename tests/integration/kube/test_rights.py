"""The roles of Dure's accounts have what these use and nothing else: their life is played, and each call is in the audit log."""

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

import pytest

from dure import kube
from dure.errors import Forbidden
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.keys import Keys
from scheduler.kube.reviews import AUDIENCE, Reviews
from scheduler.store.db import Database
from tests.cluster.cluster import MERGE, Cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kwok import COMPLETES_AFTER
from tests.integration.kube import chart
from tests.integration.kube.stand import Stand, pod, soon, stand

pytestmark = pytest.mark.timeout(900)

RBAC = "rbac.authorization.k8s.io"


class Right(NamedTuple):
    """To do `verb` with what `resource` of `group` is called: its subresource with it."""

    group: str
    resource: str
    verb: str
    name: str | None = None
    """Of the only object that it is given for."""

    @property
    def of_all(self) -> "Right":
        return self._replace(name=None)


LEFT_OVER: dict[str, dict[str, Any]] = {
    "/api/v1/namespaces/{}/resourcequotas": {"spec": {"hard": {}}},
    "/api/v1/namespaces/{}/limitranges": {"spec": {"limits": []}},
    "/api/v1/namespaces/{}/serviceaccounts": {},
    "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies": {"spec": {"podSelector": {}}},
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings": {
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": kube.LEASE_ROLE}
    },
}
"""Objects that look like ours and that nothing wants."""


def test_the_role_of_each_account_has_each_right_that_it_uses_and_no_other(
    database: Database, control_planes: Callable[..., ControlPlane]
):
    cluster = control_planes(audit=True).cluster
    # A watch is in the audit log once it has ended.
    with stand(database, cluster, relist_s=5) as made, made.loop():
        soon(made.has_key, "the company's namespace and key")
        _a_key(made)
        _a_review(made)
        _a_lease(made)
        _repairs(made)
        made.close_company(ago_s=30 * 86_400)
        soon(lambda: made.get(f"/api/v1/namespaces/{made.namespace()}") is None, "the namespace to be gone")
    for account in (kube.RECONCILER_ACCOUNT, kube.API_ACCOUNT):
        granted, used = _granted(cluster, account), _used_by(cluster, account)
        named = {right.of_all for right in granted if right.name is not None}
        used = {right if right.of_all in named else right.of_all for right in used}
        assert granted
        assert {"too much": granted - used, "missing": used - granted} == {"too much": set(), "missing": set()}


def _a_key(made: Stand) -> None:
    token = chart.token(made.cluster.api, kube.SYSTEM_NAMESPACE, kube.API_ACCOUNT)
    keys = Keys([ClusterAddress(name="main", kubeconfig=str(made.cluster.kubeconfig_for_token(token)))])
    assert keys.make("main", made.acme, kube.COMPANY_KEY, 600).token
    keys.close()


def _a_review(made: Stand) -> None:
    """Of a token that says that it is for Dure; of the others nobody is asked."""
    token = chart.token(made.cluster.api, kube.SYSTEM_NAMESPACE, kube.API_ACCOUNT)
    asks = Reviews([ClusterAddress(name="main", kubeconfig=str(made.cluster.kubeconfig_for_token(token)))])
    mine = chart.token(made.cluster.api, "kube-system", "default", audience=AUDIENCE)
    found = asks.of(mine, time.time())
    assert isinstance(found, Forbidden)
    asks.close()


def _a_lease(made: Stand) -> None:
    lease = made.ask(8, duration_s=30)
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


def _used_by(cluster: Cluster, account: str) -> set[Right]:
    """By our own program: tests come as these accounts too."""
    name = f"system:serviceaccount:{kube.SYSTEM_NAMESPACE}:{account}"
    calls = [call for call in cluster.audited() if (call["user"]["username"], call["userAgent"]) == (name, "dure")]
    assert not {_of(call) for call in calls if call.get("responseStatus", {}).get("code") in (401, 403)}
    return {right for call in calls for right in _used(call)}


def _of(call: Mapping[str, Any]) -> Right:
    about = call.get("objectRef", {})
    part = about.get("subresource")
    resource = about.get("resource", "") + (f"/{part}" if part else "")
    return Right(about.get("apiGroup", ""), resource, call["verb"], about.get("name"))


def _used(call: Mapping[str, Any]) -> Iterator[Right]:
    """Applying what is not there takes the right to create it as well, and binding a role the right to bind that."""
    right = _of(call)
    if not right.resource:
        return
    yield right
    if right.verb == "patch" and call.get("responseStatus", {}).get("code") == 201:
        yield right._replace(verb="create")
    bound = call.get("requestObject", {}).get("roleRef")
    if bound is not None:
        assert bound["kind"] == "ClusterRole"
        yield Right(bound["apiGroup"], "clusterroles", "bind", bound["name"])


def _granted(cluster: Cluster, account: str) -> set[Right]:
    """By every role that is bound to it."""
    found = set[Right]()
    for kind in ("clusterrolebindings", "rolebindings"):
        for binding in cluster.get(f"/apis/{RBAC}/v1/{kind}")["items"]:
            if any(_is(subject, account) for subject in binding.get("subjects", ())):
                assert (kind, binding["roleRef"]["kind"]) == ("clusterrolebindings", "ClusterRole"), binding
                role = cluster.get(f"/apis/{RBAC}/v1/clusterroles/{binding['roleRef']['name']}")
                found.update(right for rule in role["rules"] for right in _rights(rule))
    return found


def _is(subject: Mapping[str, Any], account: str) -> bool:
    return (subject["kind"], subject.get("namespace"), subject["name"]) == (
        "ServiceAccount",
        kube.SYSTEM_NAMESPACE,
        account,
    )


def _rights(rule: Mapping[str, Any]) -> Iterator[Right]:
    """What is no resource, such as `/version`, is open to everybody: a right to it would be one too much."""
    yield from (Right("", path, verb) for path, verb in product(rule.get("nonResourceURLs", ()), rule["verbs"]))
    parts = (rule.get("apiGroups", ()), rule.get("resources", ()), rule["verbs"], rule.get("resourceNames", (None,)))
    yield from (Right(*each) for each in product(*parts))
