"""dure doctor."""

import json

import pytest

from dure import doctoring
from tests.unit.dure.answers import Api, a_company, a_pool, page
from tests.unit.dure.conftest import Run
from tests.unit.dure.fake_kubectl import Kubectl, a_list
from tests.unit.dure.kube_objects import a_key, a_namespace, a_node, an_own_namespace, called, the_chart

FORBIDDEN = "Error from server (Forbidden): you may not"


@pytest.fixture
def there(api: Api, kubectl: Kubectl) -> Kubectl:
    """A cluster in which all is as it should be, unless a test said otherwise before."""
    api.on("GET", "/v1/companies", page(a_company())).on("GET", "/v1/pools", page(a_pool("h100", cluster="main")))
    return kubectl


def fit(kubectl: Kubectl) -> None:
    """The rest of the answers."""
    kubectl.on("version", {"serverVersion": {"gitVersion": "v1.37.2"}})
    names = ("mutatingadmissionpolicies", "validatingadmissionpolicies")
    kubectl.on("get --raw=/apis/admissionregistration.k8s.io/v1", {"resources": [{"name": name} for name in names]})
    for kind, found in the_chart().items():
        kubectl.on(f"get {kind}.admissionregistration.k8s.io", a_list(*found))
    kubectl.on("get serviceaccounts", a_list(*called("dure-reconciler", "dure-api")))
    reviews = [{**one, "status": {"allowed": True}} for one in doctoring.reviews("dure-system")]
    kubectl.on("create", "\n".join(json.dumps(one) for one in reviews))
    kubectl.on("get rolebindings.rbac.authorization.k8s.io", a_list(a_key("acme")))
    kubectl.on("get namespaces", a_list(an_own_namespace("acme")))
    kubectl.on("get nodes", a_list(a_node(pool="h100", tainted=True)))


def test_a_cluster_that_is_fit_is_said_to_be(run: Run, there: Kubectl) -> None:
    fit(there)
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "the cluster is fit to enforce leases"
    assert not {"apply", "patch", "delete", "label", "taint"} & {call["words"][0] for call in there.calls}


def test_what_is_wrong_is_named_one_by_one(run: Run, there: Kubectl) -> None:
    there.on("version", {"serverVersion": {"gitVersion": "v1.34.1"}})
    there.on("get namespaces", a_list(a_namespace("dure-co-acme")))
    there.on("get rolebindings", a_list())
    there.on("get nodes", a_list())
    fit(there)
    result = run("doctor", "--json")
    assert result.exit_code == 9
    found = [one["said"] for one in json.loads(result.stdout)["findings"] if one["ok"] is False]
    assert found[0] == "the cluster is Kubernetes v1.34.1; 1.36 or newer is needed: upgrade the cluster"
    assert [("dure-co-acme" in one, "dure node adopt NODE h100" in one) for one in found[1:]] == [
        (True, False),
        (False, True),
    ]


def test_a_namespace_that_lost_its_labels_is_not_to_be_removed(run: Run, there: Kubectl) -> None:
    there.on("get namespaces", a_list(a_namespace("dure-co-acme")))
    fit(there)
    result = run("doctor")
    assert result.exit_code == 9
    said = " ".join(result.stdout.split())
    assert "the scheduler puts them back at once" in said
    assert "remove it" not in said


def test_what_the_operator_may_not_see_is_said_and_not_taken_for_wrong(run: Run, there: Kubectl) -> None:
    there.on("create", FORBIDDEN, code=1).on("get nodes", FORBIDDEN, code=1)
    fit(there)
    result = run("doctor")
    assert result.exit_code == 0
    assert "permissions: cannot be looked at: kubectl create" in result.stdout
    assert result.stdout.splitlines()[-1] == "the cluster is fit to enforce leases; 2 could not be looked at"


def test_a_policy_api_that_is_off_is_wrong(run: Run, there: Kubectl) -> None:
    there.on(
        "get --raw=/apis/admissionregistration.k8s.io/v1",
        "Error from server (NotFound): the server could not find the requested resource",
        code=1,
    )
    fit(there)
    result = run("doctor")
    assert result.exit_code == 9
    assert "does not serve mutatingadmissionpolicies and validatingadmissionpolicies" in result.stdout


def test_without_dures_api_the_cluster_is_looked_at_all_the_same(
    run: Run, there: Kubectl, environ: dict[str, str]
) -> None:
    del environ["DURE_SERVER"]
    fit(there)
    result = run("doctor")
    assert result.exit_code == 0
    assert "Dure's API does not say which there are" in result.stdout


def test_pools_of_other_clusters_are_not_looked_at(api: Api, run: Run, there: Kubectl) -> None:
    api.on("GET", "/v1/pools", page(a_pool("h100", cluster="main"), a_pool("a100", cluster="edge"), a_pool("none")))
    fit(there)
    assert run("doctor").exit_code == 9
    assert run("doctor", "--cluster", "main").exit_code == 0


def test_a_cluster_that_somebody_mistyped_is_named_whichever_is_looked_at(api: Api, run: Run, there: Kubectl) -> None:
    mistyped = a_pool("a100", cluster="mian", cluster_state="unknown")
    api.on("GET", "/v1/pools", page(a_pool("h100", cluster="main", cluster_state="ok"), mistyped))
    fit(there)
    result = run("doctor", "--cluster", "main")
    assert result.exit_code == 9
    assert "pool a100 names cluster mian" in " ".join(result.stdout.split())


def test_a_kubeconfig_that_does_not_parse_is_kubectls_to_say(run: Run, there: Kubectl) -> None:
    there.on("version", "error: error loading config file: yaml: line 1", code=1)
    result = run("doctor")
    assert (result.exit_code, result.stdout) == (9, "")
    assert "error loading config file" in result.stderr
