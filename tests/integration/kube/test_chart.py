"""The chart: what Helm says of it, what it installs, and what its two accounts may not do."""

import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from dure import kube
from tests.cluster.cluster import ADMINS, Cluster
from tests.cluster.control_plane import ControlPlane
from tests.integration.kube import chart
from tests.integration.kube.chart import CHART, helm
from tests.integration.kube.escapes.story import until

APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def reconciler(charted: Cluster) -> Iterator[httpx.Client]:
    with chart.account(charted, kube.RECONCILER_ACCOUNT) as client:
        yield client


@pytest.fixture
def api(charted: Cluster) -> Iterator[httpx.Client]:
    with chart.account(charted, kube.API_ACCOUNT) as client:
        yield client


@pytest.fixture
def company(charted: Cluster, reconciler: httpx.Client, request: pytest.FixtureRequest) -> Iterator[str]:
    """The namespace of a company of this test's own."""
    name = f"c{abs(hash(request.node.name)) % 10**8}"
    _namespace(reconciler, kube.namespace(name), {kube.COMPANY_LABEL: name}).raise_for_status()
    # Its first account comes a moment later, and no pod before it.
    path = f"/api/v1/namespaces/{kube.namespace(name)}/serviceaccounts/default"
    until(lambda: charted.api.get(path).is_success, "the namespace")
    yield kube.namespace(name)
    with chart.break_glass(charted) as operator:
        operator.delete(f"/api/v1/namespaces/{kube.namespace(name)}").raise_for_status()


def _namespace(client: httpx.Client, name: str, labels: dict[str, str], *, level: str = "baseline") -> httpx.Response:
    labels = {"pod-security.kubernetes.io/enforce": level, **labels}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    params = {"fieldManager": kube.MANAGER, "force": "true"}
    return client.patch(f"/api/v1/namespaces/{name}", params=params, headers=APPLY, json=body)


def _pod(name: str, *, gpus: int = 1, **spec: Any) -> dict[str, Any]:
    resources = {"limits": {kube.DEFAULT_RESOURCE: gpus}} if gpus else {}
    containers = [{"name": "main", "image": "busybox", "resources": resources}]
    return {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def test_helm_finds_nothing_wrong():
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


def test_every_value_is_said_in_a_sentence_and_known_to_the_schema():
    lines = (CHART / "values.yaml").read_text().splitlines()
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    leaves = list(_leaves(yaml.safe_load("\n".join(lines)), schema))
    said = [after.strip().partition(":")[0] for line, after in pairwise(lines) if line.strip().startswith("# -- ")]
    assert said == [path[-1] for path in leaves]


def _leaves(values: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Paths of the values that are no groups of values themselves, by the schema."""
    for name, value in values.items():
        known = schema["properties"][name]
        if known.get("additionalProperties") is False and known.get("properties") and name != "resources":
            yield from ((name, *rest) for rest in _leaves(value, known))
        else:
            yield (name,)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nosuchvalue=1", "nosuchvalue"),
        ("pods.scheduler=mine", "scheduler"),
        ("podSecurity.floor=privileged", "floor"),
        ("pods.volumes={hostPath}", "volumes"),
        ("pods.deviceVariables={OTHER}", "deviceVariables"),
        ("breakGlass.group=system:authenticated", "group"),
        ("gpu.resources=nvidia", "resources"),
        ("scheduler.env.HOME=/", "HOME"),
    ],
)
def test_a_value_that_is_unknown_or_unsafe_is_refused_by_its_name(given: str, said: str):
    with pytest.raises(subprocess.CalledProcessError) as refused:
        helm("template", "dure", str(CHART), f"--set={given}")
    assert said in refused.value.stderr


def test_policies_fail_closed_for_companies_and_never_see_anybody_else():
    for policy in _rendered("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"):
        spec, name = policy["spec"], policy["metadata"]["name"]
        assert spec["failurePolicy"] == "Fail"
        selected = spec["matchConstraints"].get("namespaceSelector") == {
            "matchExpressions": [{"key": kube.COMPANY_LABEL, "operator": "Exists"}]
        }
        by_name = {condition["name"] for condition in spec["matchConditions"]} & {"reconciler", "api", "of-a-company"}
        assert selected or by_name, name


def test_every_policy_is_bound_and_lets_operators_through_but_no_account_of_dures():
    policies = _rendered("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
    bound = _rendered("ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding")
    assert sorted(each["metadata"]["name"] for each in policies) == sorted(each["spec"]["policyName"] for each in bound)
    for policy in policies:
        broken = any(condition["name"] == "not-break-glass" for condition in policy["spec"]["matchConditions"])
        assert broken == (not policy["metadata"]["name"].startswith("dure-fence-")), policy["metadata"]["name"]


def test_the_release_namespace_names_the_accounts_that_policies_know():
    text = helm("template", "dure", str(CHART), "--namespace=elsewhere")
    assert "system:serviceaccount:elsewhere:dure-reconciler" in text
    assert "system:serviceaccount:dure-system" not in text


def test_the_whole_chart_is_taken_by_a_real_api_server(charted: Cluster):
    text = helm("template", "whole", str(CHART), "--namespace=dure-system")
    kinds = "Deployment", "DaemonSet", "Job", "Service"
    made = [each for each in yaml.safe_load_all(text) if each and each["kind"] in kinds]
    assert len(made) == 5
    for each in made:
        each["metadata"]["namespace"] = kube.SYSTEM_NAMESPACE
    charted.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", given=yaml.safe_dump_all(made))


def test_workloads_run_restricted_but_for_the_agent(charted: Cluster):
    """By the cluster's own judgement of the restricted standard."""
    text = helm("template", "whole", str(CHART), "--namespace=dure-system")
    templates = {
        each["metadata"]["name"]: each["spec"]["template"]
        for each in yaml.safe_load_all(text)
        if each and each["kind"] in ("Deployment", "DaemonSet", "Job")
    }
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {"metadata": {"name": "test-restricted", "labels": level}}
    charted.api.post("/api/v1/namespaces", json=body).raise_for_status()
    path = "/api/v1/namespaces/test-restricted"
    until(lambda: charted.api.get(f"{path}/serviceaccounts/default").is_success, "the namespace")
    taken = {}
    for name, template in templates.items():
        template["spec"].pop("serviceAccountName", None)
        pod = {"metadata": {"name": name}, "spec": template["spec"]}
        taken[name] = charted.api.post(f"{path}/pods", params={"dryRun": "All"}, json=pod).is_success
    charted.api.delete(path).raise_for_status()
    assert taken == {"dure-scheduler": True, "dure-api": True, "dure-migration": True, "dure-agent": False}


def _rendered(*kinds: str) -> list[dict[str, Any]]:
    text = helm("template", "dure", str(CHART), "--namespace=dure-system")
    return [each for each in yaml.safe_load_all(text) if each and each["kind"] in kinds]


def test_nothing_is_changed_or_refused_outside_companies_namespaces(charted: Cluster, namespace: str):
    path = f"/api/v1/namespaces/{namespace}"
    until(lambda: charted.api.get(f"{path}/serviceaccounts/default").is_success, "the namespace")
    host = _pod(
        "host",
        nodeName="any",
        hostPID=True,
        tolerations=[{"operator": "Exists"}],
        volumes=[{"name": "v", "hostPath": {"path": "/dev"}}],
    )
    made = charted.api.post(f"{path}/pods", json=host).raise_for_status().json()
    assert "schedulingGates" not in made["spec"]
    assert "env" not in made["spec"]["containers"][0]
    assert made["spec"]["nodeName"] == "any"
    for resource, body in {
        "serviceaccounts": {"metadata": {"name": "any"}},
        "secrets": {"metadata": {"name": "any"}, "stringData": {"NVIDIA_VISIBLE_DEVICES": "all"}},
        "services": {"metadata": {"name": "any"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}},
    }.items():
        charted.api.post(f"{path}/{resource}", json=body).raise_for_status()
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    charted.api.patch(path, headers=MERGE, json=label).raise_for_status()


def test_a_namespace_is_a_companys_from_its_first_instant_or_never(
    charted: Cluster, namespace: str, reconciler: httpx.Client
):
    path = f"/api/v1/namespaces/{namespace}"
    label = {"metadata": {"labels": {kube.COMPANY_LABEL: "late"}}}
    assert "from its making on" in charted.api.patch(path, headers=MERGE, json=label).text
    assert _namespace(reconciler, namespace, {kube.COMPANY_LABEL: "late"}).status_code == 403
    made = charted.api.post("/api/v1/namespaces", json={"metadata": {"name": "dure-co-mine"}})
    assert "Dure alone makes the namespaces" in made.text


Try = Callable[[httpx.Client, str], httpx.Response]

RECONCILER_REFUSED: dict[str, tuple[Try, str]] = {
    "a namespace without a company": (lambda c, n: _namespace(c, "test-none", {}), "called dure-co-"),
    "a namespace called otherwise": (
        lambda c, n: _namespace(c, "kube-more", {kube.COMPANY_LABEL: "a"}),
        "called dure-co-",
    ),
    "a label taken away": (
        lambda c, n: c.patch(
            f"/api/v1/namespaces/{n}", headers=MERGE, json={"metadata": {"labels": {kube.COMPANY_LABEL: None}}}
        ),
        "called dure-co-",
    ),
    "Pod Security lowered": (
        lambda c, n: c.patch(
            f"/api/v1/namespaces/{n}",
            headers=MERGE,
            json={"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
        ),
        "baseline at least",
    ),
    "a company's namespace without Pod Security": (
        lambda c, n: c.post(
            "/api/v1/namespaces", json={"metadata": {"name": "dure-co-b", "labels": {kube.COMPANY_LABEL: "b"}}}
        ),
        "baseline at least",
    ),
    "another namespace relabelled": (
        lambda c, n: c.patch("/api/v1/namespaces/default", headers=MERGE, json={"metadata": {"labels": {"a": "b"}}}),
        "takes no namespace over",
    ),
    "another namespace deleted": (lambda c, n: c.delete("/api/v1/namespaces/kube-public"), "takes no namespace over"),
    "an account elsewhere": (
        lambda c, n: c.post("/api/v1/namespaces/kube-system/serviceaccounts", json={"metadata": {"name": "dure-x"}}),
        "companies' namespaces alone",
    ),
    "an event elsewhere": (
        lambda c, n: c.post(
            "/api/v1/namespaces/default/events",
            json={"metadata": {"name": "x"}, "involvedObject": {"namespace": "default"}},
        ),
        "companies' namespaces alone",
    ),
    "a pod deleted elsewhere": (
        lambda c, n: c.delete("/api/v1/namespaces/default/pods", params={"dryRun": "All"}),
        "forbidden",
    ),
    "its own account deleted": (
        lambda c, n: c.delete("/api/v1/namespaces/dure-system/serviceaccounts/dure-api"),
        "companies' namespaces alone",
    ),
    "a token": (
        lambda c, n: c.post(f"/api/v1/namespaces/{n}/serviceaccounts/default/token", json={}),
        "forbidden",
    ),
    "rights for a person": (
        lambda c, n: _bind(c, n, "dure-x", [{"kind": "User", "name": "me", "apiGroup": "rbac.authorization.k8s.io"}]),
        "binds accounts of companies' keys",
    ),
    "rights for an account elsewhere": (
        lambda c, n: _bind(c, n, "dure-x", [{"kind": "ServiceAccount", "name": "dure-x", "namespace": "kube-system"}]),
        "binds accounts of companies' keys",
    ),
    "rights that the chart has not made": (
        lambda c, n: _bind(
            c, n, "dure-x", [{"kind": "ServiceAccount", "name": "dure-x", "namespace": n}], role="cluster-admin"
        ),
        "forbidden",
    ),
    "the pods' own account": (
        lambda c, n: c.delete(f"/api/v1/namespaces/{n}/serviceaccounts/default"),
        "is called dure-",
    ),
    "a pod": (lambda c, n: c.post(f"/api/v1/namespaces/{n}/pods", json=_pod("x")), "forbidden"),
    "a Secret read": (lambda c, n: c.get(f"/api/v1/namespaces/{n}/secrets"), "forbidden"),
    "a node changed": (lambda c, n: c.patch("/api/v1/nodes/plain-1", headers=MERGE, json={}), "forbidden"),
}


@pytest.mark.parametrize("what", RECONCILER_REFUSED)
def test_the_reconcilers_account_is_fenced_in(reconciler: httpx.Client, company: str, what: str):
    attempt, said = RECONCILER_REFUSED[what]
    answer = attempt(reconciler, company)
    assert answer.is_error
    assert said in answer.text


def test_the_reconciler_does_not_change_what_a_pod_runs(charted: Cluster, reconciler: httpx.Client, company: str):
    path = f"/api/v1/namespaces/{company}/pods"
    charted.api.post(path, json=_pod("mine", gpus=0)).raise_for_status()
    body = {"spec": {"containers": [{"name": "main", "image": "other"}]}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    assert "does not change what a pod runs" in reconciler.patch(f"{path}/mine", headers=headers, json=body).text


def _bind(
    client: httpx.Client, namespace: str, name: str, subjects: list[dict], *, role: str = kube.LEASE_ROLE
) -> httpx.Response:
    rbac = "rbac.authorization.k8s.io"
    body = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
        "subjects": subjects,
    }
    return client.post(f"/apis/{rbac}/v1/namespaces/{namespace}/rolebindings", json=body)


def _token(client: httpx.Client, namespace: str, name: str, **spec: Any) -> httpx.Response:
    return client.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", json={"spec": spec})


def test_the_apis_account_mints_keys_of_companies_and_nothing_else(
    charted: Cluster, reconciler: httpx.Client, api: httpx.Client, company: str
):
    accounts = f"/api/v1/namespaces/{company}/serviceaccounts"
    reconciler.post(accounts, json={"metadata": {"name": kube.COMPANY_KEY}}).raise_for_status()
    _token(api, company, kube.COMPANY_KEY, expirationSeconds=600).raise_for_status()
    alone = "for the keys of companies alone"
    assert alone in _token(api, kube.SYSTEM_NAMESPACE, kube.RECONCILER_ACCOUNT).text
    assert alone in _token(api, "kube-system", "namespace-controller").text
    assert alone in _token(api, company, "default").text
    assert "at most" in _token(api, company, kube.COMPANY_KEY, expirationSeconds=2**31).text
    assert "at most" in _token(api, company, kube.COMPANY_KEY, audiences=["vault"]).text
    for method, path in (
        ("GET", f"/api/v1/namespaces/{company}/pods"),
        ("POST", f"/api/v1/namespaces/{company}/pods"),
        ("GET", "/api/v1/namespaces"),
        ("GET", f"/api/v1/namespaces/{company}/secrets"),
    ):
        assert api.request(method, path, json=_pod("x") if method == "POST" else None).status_code == 403
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "none"}}
    api.post("/apis/authentication.k8s.io/v1/tokenreviews", json=review).raise_for_status()


def test_the_keys_of_a_company_have_no_right_on_what_bounds_it(charted: Cluster):
    for role in _rendered("ClusterRole"):
        if role["metadata"]["name"] not in (kube.COMPANY_KEY, kube.LEASE_ROLE):
            continue
        writes = {
            resource
            for rule in role["rules"]
            if set(rule["verbs"]) - {"get", "list", "watch"}
            for resource in rule["resources"]
        }
        assert not writes & {"resourcequotas", "limitranges", "networkpolicies", "roles", "rolebindings", "events"}
        assert not writes & {"serviceaccounts", "serviceaccounts/token", "pods/binding", "pods/status", "namespaces"}
        exec_too = role["metadata"]["name"] == kube.LEASE_ROLE
        assert ({"pods/exec", "pods/attach", "pods/portforward"} <= writes) == exec_too


def test_operators_have_a_way_past_the_policies_that_nobody_takes_by_accident(charted: Cluster, company: str):
    path = f"/api/v1/namespaces/{company}/pods"
    body = _pod("rescue", hostPID=True)
    assert "dure-hosts" in charted.api.post(path, json=body).text
    with charted.http("operator", [ADMINS]) as plain:
        headers = {"Impersonate-User": "operator", "Impersonate-Group": chart.BREAK_GLASS}
        groups = [
            ("Impersonate-User", "operator"),
            ("Impersonate-Group", ADMINS),
            ("Impersonate-Group", chart.BREAK_GLASS),
        ]
        quota = f"/api/v1/namespaces/{company}/resourcequotas"
        assert plain.post(quota, json={"metadata": {"name": "more"}, "spec": {"hard": {}}}).status_code == 403
        made = plain.post(quota, headers=groups, json={"metadata": {"name": "more"}, "spec": {"hard": {}}})
        assert made.is_success, made.text
        assert plain.get(quota, headers=headers).status_code == 403


def test_pods_are_gated_from_the_first_answer_after_the_api_server_was_killed(
    control_planes: Callable[..., ControlPlane],
):
    plane = control_planes()
    cluster = plane.cluster
    chart.install(cluster)
    with chart.account(cluster, kube.RECONCILER_ACCOUNT) as reconciler:
        _namespace(reconciler, kube.namespace("a"), {kube.COMPANY_LABEL: "a"}).raise_for_status()
    path = f"/api/v1/namespaces/{kube.namespace('a')}"
    until(lambda: cluster.api.get(f"{path}/serviceaccounts/default").is_success, "the namespace")
    plane.kill("kube-apiserver")
    plane.restart("kube-apiserver")
    first = [
        cluster.api.post(f"{path}/pods", json=_pod(f"p{number}")).raise_for_status().json() for number in range(20)
    ]
    gates = [pod["spec"].get("schedulingGates") for pod in first]
    assert gates == [[{"name": kube.GATE}]] * 20
    assert cluster.api.post(f"{path}/pods", json=_pod("x", gpus=0, nodeName="any")).is_error


def test_removing_the_chart_leaves_companies_shut_out_rather_than_let_in(
    control_planes: Callable[..., ControlPlane], tmp_path: Path
):
    """What the reconciler has not opened stays gated on its pods, and keys are bound to roles that are gone."""
    cluster = control_planes().cluster
    chart.install(cluster)
    with chart.account(cluster, kube.RECONCILER_ACCOUNT) as reconciler:
        _namespace(reconciler, kube.namespace("a"), {kube.COMPANY_LABEL: "a"}).raise_for_status()
        accounts = f"/api/v1/namespaces/{kube.namespace('a')}/serviceaccounts"
        until(lambda: cluster.api.get(f"{accounts}/default").is_success, "the namespace")
        reconciler.post(accounts, json={"metadata": {"name": kube.COMPANY_KEY}}).raise_for_status()
        account = {"kind": "ServiceAccount", "name": kube.COMPANY_KEY, "namespace": kube.namespace("a")}
        _bind(reconciler, kube.namespace("a"), kube.COMPANY_KEY, [account], role=kube.COMPANY_KEY).raise_for_status()
    path = f"/api/v1/namespaces/{kube.namespace('a')}/pods"
    with chart.account(cluster, kube.API_ACCOUNT) as api:
        token = chart.token(api, kube.namespace("a"), kube.COMPANY_KEY)
    with cluster.http(token=token) as tenant:
        tenant.post(path, json=_pod("mine")).raise_for_status()
        helm("uninstall", "dure", f"--namespace={kube.SYSTEM_NAMESPACE}", cluster=cluster)
        until(lambda: tenant.get(path).status_code == 403, "the company's rights to be gone")
    assert cluster.get(f"{path}/mine")["spec"]["schedulingGates"] == [{"name": kube.GATE}]
