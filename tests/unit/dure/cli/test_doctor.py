"""dure doctor."""

import json
from pathlib import Path

import pytest

from dure import doctoring
from tests.unit.dure.answers import Api, a_cluster, a_company, a_gpu, a_kube_access, a_pool, answer, page
from tests.unit.dure.answers import a_node as a_fleet_node
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


REFUSED = "The connection to the server localhost:8080 was refused - did you specify the right host or port?"


@pytest.mark.parametrize("said", ["nothing", "one that is not there", "two, of which one is there"])
def test_a_cluster_that_is_not_reached_is_named_with_how_to_say_another(
    run: Run, there: Kubectl, environ: dict[str, str], tmp_path: Path, said: str
) -> None:
    (tmp_path / "here").touch()
    here, gone = tmp_path / "here", tmp_path / "gone"
    if said != "nothing":
        environ["KUBECONFIG"] = str(gone) if said.startswith("one") else f"{here}:{gone}"
    there.on("version", REFUSED, code=1)
    result = run("doctor")
    assert result.exit_code == 9
    named = {
        "nothing": f"{tmp_path}/.kube/config (not there), as KUBECONFIG is not set",
        "one that is not there": f"KUBECONFIG, {gone} (not there)",
        "two, of which one is there": f"KUBECONFIG, {here}, {gone} (not there)",
    }[said]
    assert REFUSED in result.stderr
    assert (
        f"that of the current context of {named}: say another by --kubeconfig PATH, --context CONTEXT" in result.stderr
    )


def test_a_context_that_is_not_there_is_named_with_the_file_that_was_looked_in(
    run: Run, there: Kubectl, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.touch()
    there.on("--context=edge version", 'error: context "edge" does not exist', code=1)
    said = run("doctor", "--kubeconfig", str(config), "--context", "edge").stderr
    assert f"that of context edge of {config}: say another by" in said


def test_what_a_cluster_itself_refuses_is_told_on_alone(run: Run, there: Kubectl) -> None:
    there.on("version", FORBIDDEN, code=1)
    assert run("doctor").stderr.strip().endswith(FORBIDDEN)


def test_permissions_are_asked_in_one_list_which_every_kubectl_reads(run: Run, there: Kubectl) -> None:
    fit(there)
    run("doctor")
    [given] = [json.loads(call["given"]) for call in there.calls if call["words"][0] == "create"]
    assert (given["apiVersion"], given["kind"]) == ("v1", "List")
    assert given["items"] == doctoring.reviews("dure-system")


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


def test_where_the_operator_may_not_look_it_cannot_be_said(run: Run, there: Kubectl) -> None:
    there.on("create", FORBIDDEN, code=1).on("get nodes", FORBIDDEN, code=1)
    fit(there)
    result = run("doctor")
    assert result.exit_code == 9
    assert "permissions: cannot be looked at: kubectl create" in result.stdout
    assert result.stdout.splitlines()[-1] == (
        "cannot say whether the cluster is fit to enforce leases: 2 could not be looked at"
    )
    assert json.loads(run("doctor", "--json").stdout)["fit"] is None


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


def test_a_key_that_may_see_nothing_says_nothing_of_the_cluster(run: Run, there: Kubectl) -> None:
    there.on("get", FORBIDDEN, code=1).on("create", FORBIDDEN, code=1)
    fit(there)
    result = run("doctor")
    assert result.exit_code == 9
    assert result.stdout.splitlines()[-1].startswith("cannot say whether the cluster is fit")


def test_a_cluster_without_the_chart_is_told_in_one_line(run: Run, there: Kubectl) -> None:
    there.on("get serviceaccounts", a_list())
    for kind in the_chart():
        there.on(f"get {kind}.admissionregistration.k8s.io", a_list())
    fit(there)
    result = run("doctor", "--namespace", "sys", "--json")
    assert result.exit_code == 9
    [said] = [one["said"] for one in json.loads(result.stdout)["findings"] if one["ok"] is False]
    assert said == (
        "the chart is not in namespace sys: "
        "helm upgrade --install dure deploy/helm/dure --namespace sys --create-namespace"
    )
    assert "create" not in {call["words"][0] for call in there.calls}


def test_a_chart_in_another_namespace_is_found(run: Run, there: Kubectl) -> None:
    there.on("get serviceaccounts --namespace=sys", a_list())
    account = {"metadata": {"name": "dure-reconciler", "namespace": "dure-system"}}
    there.on("get serviceaccounts --all-namespaces", a_list(account))
    fit(there)
    result = run("doctor", "--namespace", "sys", "--json")
    [said] = [one["said"] for one in json.loads(result.stdout)["findings"] if one["ok"] is False]
    assert said == "the chart is not in namespace sys but in dure-system: dure doctor --namespace dure-system"


@pytest.fixture
def several(api: Api, there: Kubectl) -> Kubectl:
    """Pools of two clusters; all nodes that kubectl sees are of h100, which is in main."""
    api.on("GET", "/v1/pools", page(a_pool("h100", cluster="main"), a_pool("a100", cluster="edge"), a_pool("none")))
    api.on(
        "GET",
        "/v1/companies/acme/kubeconfig",
        lambda request: answer(a_kube_access(None, server=f"https://{request.url.params['cluster']}.example.org:6443")),
    )
    fit(there)
    return there


def test_of_several_clusters_the_one_at_the_kubeconfigs_address_is_looked_at(run: Run, several: Kubectl) -> None:
    several.on("config view", {"clusters": [{"name": "x", "cluster": {"server": "https://main.example.org:6443/"}}]})
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert "pool h100 has 1 node" in result.stdout
    assert "a100" not in result.stdout


def test_where_the_address_is_no_clusters_their_pools_are_left_out_and_it_is_said_how_to_choose(
    run: Run, several: Kubectl
) -> None:
    several.on("config view", {"clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:6443"}}]})
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert "left out: h100 (of main), a100 (of edge)" in " ".join(result.stdout.split())
    assert result.stdout.splitlines()[-1] == "the cluster is fit to enforce leases; 1 could not be looked at"


def test_the_cluster_that_is_said_is_looked_at(run: Run, several: Kubectl) -> None:
    assert run("doctor", "--cluster", "main").exit_code == 0
    result = run("doctor", "--cluster", "edge")
    assert result.exit_code == 9
    assert "no node is of pool a100" in result.stdout
    assert "config" not in {call["words"][0] for call in several.calls}


def test_of_a_cluster_that_nothing_names_it_cannot_be_said(api: Api, run: Run, several: Kubectl) -> None:
    api.on("GET", "/v1/clusters", page(a_cluster("edge"), a_cluster("main")))
    result = run("doctor", "--cluster", "nosuch")
    assert result.exit_code == 9
    assert "nothing names a cluster nosuch; Dure knows of edge, main" in " ".join(result.stdout.split())
    assert result.stdout.splitlines()[-1].startswith("cannot say")


def test_a_cluster_that_the_scheduler_is_told_of_needs_no_pool_yet(api: Api, run: Run, several: Kubectl) -> None:
    api.on("GET", "/v1/clusters", page(a_cluster("new")))
    result = run("doctor", "--cluster", "new")
    assert result.exit_code == 0, result.output
    assert "no pool names this cluster" in result.stdout


def test_a_cluster_that_somebody_mistyped_is_named_whichever_is_looked_at(api: Api, run: Run, there: Kubectl) -> None:
    mistyped = a_pool("a100", cluster="mian", cluster_state="unknown")
    api.on("GET", "/v1/pools", page(a_pool("h100", cluster="main", cluster_state="ok"), mistyped))
    fit(there)
    result = run("doctor", "--cluster", "main")
    assert result.exit_code == 9
    assert "pool a100 names cluster mian" in " ".join(result.stdout.split())


def test_a_node_of_a_pool_that_lost_label_and_taint_is_named(api: Api, run: Run, there: Kubectl) -> None:
    shown = [a_fleet_node(name, gpus=[a_gpu(0, pool="h100")]) for name in ("gpu-01", "gpu-02", "elsewhere")]
    api.on("GET", "/v1/nodes", page(*shown))
    there.on("get nodes", a_list(a_node(pool="h100", tainted=True), a_node("gpu-02")))
    fit(there)
    result = run("doctor", "--json")
    assert result.exit_code == 9
    found = [one["said"] for one in json.loads(result.stdout)["findings"] if one["ok"] is False]
    assert [one.partition(":")[0] for one in found] == [
        "gpu-02 of pool h100 has no label dure.dev/pool=h100",
        "gpu-02 of pool h100 has no taint nvidia.com/gpu, so anybody's pods come to it",
    ]


def test_a_kubeconfig_that_does_not_parse_is_kubectls_to_say(run: Run, there: Kubectl) -> None:
    there.on("version", "error: error loading config file: yaml: line 1", code=1)
    result = run("doctor")
    assert (result.exit_code, result.stdout) == (9, "")
    assert "error loading config file" in result.stderr
