"""dure doctor."""

import json
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from dure import doctoring
from dure.cli.terminal import Outside
from tests import commandline
from tests.unit.dure.answers import (
    NOW,
    Api,
    a_checkup,
    a_cluster,
    a_company,
    a_finding,
    a_gpu,
    a_kube_access,
    a_pool,
    answer,
    page,
    problem,
)
from tests.unit.dure.answers import a_node as a_fleet_node
from tests.unit.dure.conftest import Run
from tests.unit.dure.fake_kubectl import Kubectl, a_list
from tests.unit.dure.kube_objects import a_key, a_namespace, a_node, an_own_namespace, called, the_chart

WRONG_ROLE = "only admin and operator tokens may do this"
FORBIDDEN = "Error from server (Forbidden): you may not"


@pytest.fixture
def there(api: Api, kubectl: Kubectl) -> Kubectl:
    """A cluster in which all is as it should be, unless a test said otherwise before."""
    api.on("GET", "/v1/companies", page(a_company())).on("GET", "/v1/pools", page(a_pool("h100", cluster="main")))
    api.on("GET", "/v1/checkup", a_checkup()).on("GET", "/metrics", httpx.Response(200, text=""))
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
    assert result.stdout.splitlines()[-1] == "fit to grant and enforce leases; 1 could not be looked at"
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
    words = " ".join(result.stdout.split())
    assert "no cluster was looked at: kubectl version" in words
    assert REFUSED in words
    assert f"that of the current context of {named}: say another by --kubeconfig PATH, --context CONTEXT" in words


def test_a_context_that_is_not_there_is_named_with_the_file_that_was_looked_in(
    run: Run, there: Kubectl, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.touch()
    there.on("--context=edge version", 'error: context "edge" does not exist', code=1)
    said = run("doctor", "--kubeconfig", str(config), "--context", "edge", "--json").stdout
    assert f"that of context edge of {config}: say another by" in said


def test_what_a_cluster_itself_refuses_is_told_on_alone(run: Run, there: Kubectl) -> None:
    there.on("version", FORBIDDEN, code=1)
    [said] = [
        one["said"] for one in json.loads(run("doctor", "--json").stdout)["findings"] if one["check"] == "cluster"
    ]
    assert said.endswith(FORBIDDEN)


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
    assert result.stdout.splitlines()[-1] == ("cannot say whether all is well: 3 could not be looked at")
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
    assert result.exit_code == 9
    words = " ".join(result.stdout.split())
    assert "not seen API: was not looked at: no server is known" in words
    assert "Dure's API does not say which there are" in words
    assert "policies of the chart are there" in words
    alone = run("doctor", "--only", "cluster")
    assert alone.exit_code == 0, alone.output
    assert "API: was not looked at" not in alone.stdout


def test_a_key_that_may_see_nothing_says_nothing_of_the_cluster(run: Run, there: Kubectl) -> None:
    there.on("get", FORBIDDEN, code=1).on("create", FORBIDDEN, code=1)
    fit(there)
    result = run("doctor")
    assert result.exit_code == 9
    assert result.stdout.splitlines()[-1].startswith("cannot say whether all is well")


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
    assert result.stdout.splitlines()[-1] == "fit to grant and enforce leases; 2 could not be looked at"


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
    assert result.exit_code == 9
    assert "error loading config file" in result.stdout


def test_without_a_kubectl_everything_else_is_looked_at(api: Api, run: Run, environ: dict[str, str]) -> None:
    environ["PATH"] = "/nowhere"
    api.on("GET", "/v1/pools", page(a_pool("h100"))).on("GET", "/v1/checkup", a_checkup(a_finding("database")))
    api.on("GET", "/metrics", httpx.Response(200, text=""))
    result = run("doctor")
    assert result.exit_code == 0, result.output
    words = " ".join(result.stdout.split())
    assert "no cluster was looked at: kubectl is not on your PATH" in words
    assert "fit to grant leases, which nobody enforces; 2 could not be looked at" in words
    assert "ok database: it is so" in words
    api.on("GET", "/v1/pools", page(a_pool("h100", cluster="main")))
    assert run("doctor").exit_code == 9, "its leases are to be enforced, and nobody looked whether they are"
    assert run("doctor", "--only", "api").exit_code == 0


def test_what_the_api_finds_wrong_makes_it_unfit_and_what_is_worth_a_look_does_not(
    api: Api, run: Run, there: Kubectl
) -> None:
    fit(there)
    aside = a_finding("archiving", ok=False, essential=False)
    api.on("GET", "/v1/checkup", a_checkup(a_finding("database"), aside))
    result = run("doctor")
    assert result.exit_code == 0
    assert "look      archiving: it is so" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("fit to grant and enforce leases; 1 to look at when there is time")
    api.on("GET", "/v1/checkup", a_checkup(a_finding("ledger", ok=False)))
    result = run("doctor", "--json")
    assert (result.exit_code, json.loads(result.stdout)["fit"]) == (9, False)
    api.on("GET", "/v1/checkup", a_checkup(a_finding("ledger", ok=None)))
    assert json.loads(run("doctor", "--json").stdout)["fit"] is None


@pytest.mark.parametrize(
    ("said", "ok", "words"),
    [
        (problem("forbidden", 403, detail=WRONG_ROLE), None, f"does not let you look: {WRONG_ROLE}"),
        (problem("token_invalid", 401), None, "an admin's or operator's token may"),
        (problem("not_found", 404), None, "is older than this dure"),
        (httpx.ConnectError("refused"), False, "cannot be reached (refused)"),
        (problem("internal", 500), False, "It is so."),
    ],
)
def test_an_api_that_says_nothing_is_told_with_why_and_the_cluster_is_looked_at(
    api: Api, run: Run, there: Kubectl, said: httpx.Response | Exception, ok: bool | None, words: str
) -> None:
    fit(there)
    api.on("GET", "/v1/checkup", said)
    result = run("doctor", "--json")
    assert result.exit_code == 9
    found = json.loads(result.stdout)["findings"]
    [one] = [one for one in found if one["check"] == "API"]
    assert (one["ok"], words in one["said"]) == (ok, True), one
    assert one["said"].count("operator") <= 1, one
    assert [one["ok"] for one in found if one["check"] == "version"] == [True]


def test_while_the_database_is_away_the_api_is_asked_nothing_more(api: Api, run: Run, there: Kubectl) -> None:
    fit(there)
    api.on("GET", "/v1/checkup", a_checkup(a_finding("database", ok=False), database=None, processes=[], agents=None))
    result = run("doctor", "--json")
    assert result.exit_code == 9
    assert [request.url.path for request in api.seen] == ["/v1/checkup", "/metrics"]
    [said] = [one["said"] for one in json.loads(result.stdout)["findings"] if one["check"] == "pools"]
    assert said == "Dure's API cannot say which there are until its database is there"


def test_an_api_that_hangs_is_waited_for_once(api: Api, environ: dict[str, str], there: Kubectl) -> None:
    fit(there)
    at, certificates = [0.0], list[str]()

    def hangs(request: httpx.Request) -> httpx.Response:
        at[0] += request.extensions["timeout"]["read"]
        raise httpx.ReadTimeout("slow")

    for path in ("/v1/checkup", "/v1/pools", "/metrics"):
        api.on("GET", path, hangs)
    environ["DURE_SERVER"] = "https://api.test"
    outside = Outside(
        environ=environ,
        now=lambda: NOW,
        sleep=api.slept.append,
        monotonic=lambda: at[0],
        transport=api,
        certificate=lambda server: certificates.append(server) or NOW,
    )
    result = commandline.run(("doctor",), outside)
    assert result.exit_code == 9
    assert (at[0], [request.url.path for request in api.seen], certificates) == (10, ["/v1/checkup"], [])
    words = " ".join(result.stdout.split())
    assert "wrong API: https://api.test cannot be reached (no answer within 10 s)" in words
    assert "not seen certificates: https://api.test does not answer" in words
    assert "policies of the chart are there" in words


def test_this_machines_clock_is_compared_with_the_apis(api: Api, run: Run, there: Kubectl) -> None:
    fit(there)
    api.on("GET", "/v1/checkup", a_checkup(at=NOW - timedelta(seconds=90)))
    result = run("doctor")
    assert "clock: this machine's clock is 1m29s ahead of the API's" in result.stdout
    assert result.exit_code == 0


def test_a_scheduler_that_is_named_is_looked_at_by_its_metrics(api: Api, run: Run, there: Kubectl) -> None:
    fit(there)
    ends = (NOW + timedelta(days=3)).timestamp()
    series = f'dure_leader 0.0\ndure_certificate_expiry_timestamp_seconds{{certificate="cluster/main"}} {ends}\n'
    api.on("GET", "/metrics", httpx.Response(200, text=series))
    result = run("doctor", "--scheduler", "http://scheduler.test:8471")
    assert result.exit_code == 9
    assert "certificates: cluster/main (as the process knows it) ends in 3d" in " ".join(result.stdout.split())
    asked = [request for request in api.seen if request.url.host == "scheduler.test"]
    assert [(request.url.path, "authorization" in request.headers) for request in asked] == [("/metrics", False)]
    api.on("GET", "/metrics", httpx.ConnectError("refused"))
    assert "scheduler: its metrics: http" in run("doctor", "--scheduler", "http://scheduler.test:8471").stdout


def test_metrics_of_something_else_than_a_scheduler_are_wrong(api: Api, run: Run, there: Kubectl) -> None:
    fit(there)
    api.on("GET", "/metrics", httpx.Response(200, text="dure_api_requests_total 7\n"))
    result = run("doctor", "--scheduler", "http://api.test", "--json")
    assert result.exit_code == 9
    [one] = [one for one in json.loads(result.stdout)["findings"] if one["check"] == "scheduler"]
    assert (one["ok"], "http://api.test answers, and is no scheduler" in one["said"]) == (False, True)


def test_what_is_looked_at_alone_is_one_of_two(run: Run) -> None:
    assert run("doctor", "--only", "moon").exit_code == 2


@pytest.mark.parametrize(
    ("days", "code", "words"), [(90, 0, "lasts for 90d"), (13, 9, "ends in 13d"), (-1, 9, "ended 1d ago")]
)
def test_the_certificate_that_the_api_shows_has_to_last(
    api: Api, environ: dict[str, str], days: int, code: int, words: str
) -> None:
    api.on("GET", "/v1/pools", page(a_pool())).on("GET", "/v1/checkup", a_checkup())
    api.on("GET", "/metrics", httpx.Response(200, text=""))
    environ["DURE_SERVER"] = "https://api.test"
    ends = NOW + timedelta(days=days)
    outside = Outside(environ=environ, now=lambda: NOW, sleep=lambda _: None, transport=api, certificate=lambda _: ends)
    result = commandline.run(("doctor", "--only", "api"), outside)
    assert (result.exit_code, f"certificates: the API's {words}" in result.stdout) == (code, True), result.output
