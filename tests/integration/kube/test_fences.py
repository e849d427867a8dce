"""What the chart's two accounts may not do, whom its policies bind, and that they hold through restarts."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from dure import kube
from tests.cluster.cluster import ADMINS, MERGE, Cluster
from tests.cluster.control_plane import ControlPlane
from tests.integration.kube import chart, companies
from tests.integration.kube.escapes.story import until


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
    companies.namespace(reconciler, kube.namespace(name), {kube.COMPANY_LABEL: name}).raise_for_status()
    # Its first account comes a moment later, and no pod before it.
    path = f"/api/v1/namespaces/{kube.namespace(name)}/serviceaccounts/default"
    until(lambda: charted.api.get(path).is_success, "the namespace")
    yield kube.namespace(name)
    with chart.break_glass(charted) as operator:
        operator.delete(f"/api/v1/namespaces/{kube.namespace(name)}").raise_for_status()


def test_a_namespace_is_a_companys_from_its_first_instant_or_never(
    charted: Cluster, namespace: str, reconciler: httpx.Client
):
    path = f"/api/v1/namespaces/{namespace}"
    label = {"metadata": {"labels": {kube.COMPANY_LABEL: "late"}}}
    assert "from its making on" in charted.api.patch(path, headers=MERGE, json=label).text
    assert companies.namespace(reconciler, namespace, {kube.COMPANY_LABEL: "late"}).status_code == 403
    made = charted.api.post("/api/v1/namespaces", json={"metadata": {"name": "dure-co-mine"}})
    assert "Dure alone makes the namespaces" in made.text


Try = Callable[[httpx.Client, str], httpx.Response]

RECONCILER_REFUSED: dict[str, tuple[Try, str]] = {
    "a namespace without a company": (lambda c, n: companies.namespace(c, "test-none", {}), "called dure-co-"),
    "a namespace called otherwise": (
        lambda c, n: companies.namespace(c, "kube-more", {kube.COMPANY_LABEL: "a"}),
        "called dure-co-",
    ),
    "a label taken away": (
        lambda c, n: c.patch(
            f"/api/v1/namespaces/{n}",
            headers=MERGE,
            json={"metadata": {"labels": {kube.COMPANY_LABEL: None}}},
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
        "called dure-co-",
    ),
    "another namespace deleted": (
        lambda c, n: c.delete("/api/v1/namespaces/dure-system", params={"dryRun": "All"}),
        "no namespace but those of companies",
    ),
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
        lambda c, n: companies.bind(
            c, n, "dure-x", [{"kind": "User", "name": "me", "apiGroup": "rbac.authorization.k8s.io"}]
        ),
        "binds accounts of companies' keys",
    ),
    "rights for an account elsewhere": (
        lambda c, n: companies.bind(
            c, n, "dure-x", [{"kind": "ServiceAccount", "name": "dure-x", "namespace": "kube-system"}]
        ),
        "binds accounts of companies' keys",
    ),
    "rights that the chart has not made": (
        lambda c, n: companies.bind(
            c, n, "dure-x", [{"kind": "ServiceAccount", "name": "dure-x", "namespace": n}], role="cluster-admin"
        ),
        "forbidden",
    ),
    "the pods' own account": (
        lambda c, n: c.delete(f"/api/v1/namespaces/{n}/serviceaccounts/default"),
        "is called dure-",
    ),
    "a pod": (lambda c, n: c.post(f"/api/v1/namespaces/{n}/pods", json=companies.pod("x")), "forbidden"),
    "a Secret read": (lambda c, n: c.get(f"/api/v1/namespaces/{n}/secrets"), "forbidden"),
    "a node changed": (lambda c, n: c.patch("/api/v1/nodes/plain-1", headers=MERGE, json={}), "forbidden"),
}


@pytest.mark.parametrize("what", RECONCILER_REFUSED)
def test_the_reconcilers_account_is_fenced_in(reconciler: httpx.Client, company: str, what: str):
    attempt, said = RECONCILER_REFUSED[what]
    answer = attempt(reconciler, company)
    assert answer.is_error
    assert said in answer.text


def test_a_label_that_was_taken_off_keeps_the_reconciler_from_nothing(
    charted: Cluster, reconciler: httpx.Client, company: str
):
    path = f"/api/v1/namespaces/{company}"
    charted.api.post(f"{path}/pods", json=companies.pod("mine", gpus=0)).raise_for_status()
    with chart.break_glass(charted) as operator:
        body = {"metadata": {"labels": {kube.COMPANY_LABEL: None}}}
        operator.patch(path, headers=MERGE, json=body).raise_for_status()
    reconciler.delete(f"{path}/pods/mine").raise_for_status()
    labels = {kube.COMPANY_LABEL: company.removeprefix(kube.namespace(""))}
    companies.namespace(reconciler, company, labels).raise_for_status()


def test_the_reconciler_does_not_change_what_a_pod_runs(charted: Cluster, reconciler: httpx.Client, company: str):
    path = f"/api/v1/namespaces/{company}/pods"
    charted.api.post(path, json=companies.pod("mine", gpus=0)).raise_for_status()
    body = {"spec": {"containers": [{"name": "main", "image": "other"}]}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    assert "does not change what a pod runs" in reconciler.patch(f"{path}/mine", headers=headers, json=body).text


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
    assert "at most" in _token(api, company, kube.COMPANY_KEY, audiences=["dure"]).text
    for method, path in (
        ("GET", f"/api/v1/namespaces/{company}/pods"),
        ("POST", f"/api/v1/namespaces/{company}/pods"),
        ("GET", "/api/v1/namespaces"),
        ("GET", f"/api/v1/namespaces/{company}/secrets"),
    ):
        assert api.request(method, path, json=companies.pod("x") if method == "POST" else None).status_code == 403


def test_the_apis_account_asks_whose_a_token_is_and_no_other_account_of_dures_does(
    reconciler: httpx.Client, api: httpx.Client
):
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": "none", "audiences": ["dure"]},
    }
    answers = [one.post("/apis/authentication.k8s.io/v1/tokenreviews", json=review) for one in (api, reconciler)]
    assert [one.status_code for one in answers] == [201, 403]
    assert "authenticated" not in answers[0].json()["status"]


def test_operators_have_a_way_past_the_policies_that_nobody_takes_by_accident(charted: Cluster, company: str):
    path = f"/api/v1/namespaces/{company}/pods"
    assert "dure-scheduling" in charted.api.post(path, json=companies.pod("rescue", schedulerName="any")).text
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
        companies.namespace(reconciler, kube.namespace("a"), {kube.COMPANY_LABEL: "a"}).raise_for_status()
    path = f"/api/v1/namespaces/{kube.namespace('a')}"
    until(lambda: cluster.api.get(f"{path}/serviceaccounts/default").is_success, "the namespace")
    plane.kill("kube-apiserver")
    plane.restart("kube-apiserver")
    first = [
        cluster.api.post(f"{path}/pods", json=companies.pod(f"p{number}")).raise_for_status().json()
        for number in range(20)
    ]
    gates = [pod["spec"].get("schedulingGates") for pod in first]
    assert gates == [[{"name": kube.GATE}]] * 20
    assert cluster.api.post(f"{path}/pods", json=companies.pod("x", gpus=0, nodeName="any")).is_error


def test_removing_the_chart_leaves_companies_shut_out_rather_than_let_in(control_planes: Callable[..., ControlPlane]):
    """What the reconciler has not opened stays gated on its pods, and keys are bound to roles that are gone."""
    cluster = control_planes().cluster
    chart.install(cluster)
    with chart.account(cluster, kube.RECONCILER_ACCOUNT) as reconciler:
        companies.namespace(reconciler, kube.namespace("a"), {kube.COMPANY_LABEL: "a"}).raise_for_status()
        accounts = f"/api/v1/namespaces/{kube.namespace('a')}/serviceaccounts"
        until(lambda: cluster.api.get(f"{accounts}/default").is_success, "the namespace")
        reconciler.post(accounts, json={"metadata": {"name": kube.COMPANY_KEY}}).raise_for_status()
        account = {"kind": "ServiceAccount", "name": kube.COMPANY_KEY, "namespace": kube.namespace("a")}
        companies.bind(
            reconciler, kube.namespace("a"), kube.COMPANY_KEY, [account], role=kube.COMPANY_KEY
        ).raise_for_status()
    path = f"/api/v1/namespaces/{kube.namespace('a')}/pods"
    with chart.account(cluster, kube.API_ACCOUNT) as api:
        token = chart.token(api, kube.namespace("a"), kube.COMPANY_KEY)
    with cluster.http(token=token) as tenant:
        tenant.post(path, json=companies.pod("mine")).raise_for_status()
        chart.helm("uninstall", "dure", f"--namespace={kube.SYSTEM_NAMESPACE}", cluster=cluster)
        until(lambda: tenant.get(path).status_code == 403, "the company's rights to be gone")
    assert cluster.get(f"{path}/mine")["spec"]["schedulingGates"] == [{"name": kube.GATE}]
