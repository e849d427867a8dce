"""What a cluster's answers say of whether it is fit to enforce leases."""

from typing import Any

import pytest

from dure import doctoring
from dure.doctoring import Finding
from tests.unit.dure.answers import a_pool
from tests.unit.dure.kube_objects import a_key, a_namespace, a_node, an_own_namespace, called, the_chart

REMEDY = "helm upgrade --install dure deploy/helm/dure --namespace sys --create-namespace"
SERVED = {"resources": [{"name": "mutatingadmissionpolicies"}, {"name": "validatingadmissionpolicies"}]}


def wrong(found: list[Finding]) -> list[str]:
    return [one.said for one in found if one.ok is False]


@pytest.mark.parametrize(
    ("said", "ok"),
    [
        ("v1.37.2", True),
        ("v1.36.0-eks-1", True),
        ("v1.35.9", False),
        ("v2.0.0", True),
        ("banana", False),
        (None, False),
    ],
)
def test_a_cluster_is_new_enough_from_1_36_on(said: str | None, ok: bool) -> None:
    assert doctoring.version({"serverVersion": {"gitVersion": said}} if said else {}).ok is ok


def test_a_policy_api_that_is_off_is_named() -> None:
    assert doctoring.policy_apis(SERVED).ok is True
    off = doctoring.policy_apis({"resources": [{"name": "validatingadmissionpolicies"}]})
    assert (off.ok, "mutatingadmissionpolicies" in off.said, "validating" in off.said) == (False, True, False)
    assert doctoring.policy_apis(None).ok is False


def test_a_policy_that_is_missing_or_changed_is_named() -> None:
    chart = the_chart()
    assert wrong(doctoring.policies(chart, "sys")) == []
    del chart["mutatingadmissionpolicies"][0]
    chart["validatingadmissionpolicybindings"][-1]["spec"]["validationActions"] = ["Warn"]
    assert wrong(doctoring.policies(chart, "sys")) == [
        f"policy dure-gate is missing: {REMEDY}",
        f"binding dure-tokens was changed by hand in validationActions: {REMEDY}",
    ]


def test_a_cluster_without_any_of_the_charts_policies_is_told_once() -> None:
    there = {kind: called("another") for kind in the_chart()}
    assert wrong(doctoring.policies(there, "sys")) == [f"none of the chart's policies is in the cluster: {REMEDY}"]


def test_a_chart_that_is_not_there_is_told_where_it_is() -> None:
    assert doctoring.absent("sys", None).said == f"the chart is not in namespace sys: {REMEDY}"
    assert doctoring.absent("sys", "dure-system").said == (
        "the chart is not in namespace sys but in dure-system: dure doctor --namespace dure-system"
    )


@pytest.mark.parametrize(
    ("found", "want"),
    [
        ([(True, True), (None, False)], True),
        ([(True, True), (None, True)], None),
        ([(False, True), (None, True)], False),
    ],
    ids=["all that is essential is well", "something essential was not seen", "something is wrong"],
)
def test_a_cluster_is_fit_only_where_all_that_is_essential_was_seen(
    found: list[tuple[bool | None, bool]], want: bool | None
) -> None:
    assert doctoring.is_fit(Finding(check="c", ok=ok, said="", essential=it) for ok, it in found) is want


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://k8s.example.org", "https://K8s.example.org:443/", True),
        ("https://k8s.example.org:6443", "https://k8s.example.org", False),
        ("https://[fd00::1]:6443", "https://[FD00::1]:6443", True),
        ("https://a:port", "https://a", False),
        ("", "https://a", False),
    ],
)
def test_addresses_are_compared_however_they_are_written(one: str, other: str, same: bool) -> None:
    assert doctoring.is_same_address(one, other) is same


def test_pools_are_left_out_where_nobody_knows_of_which_cluster_they_are() -> None:
    pools = [a_pool("h100", cluster="main"), a_pool("a100", cluster="edge"), a_pool("none")]
    left = doctoring.left_out(pools, None)
    assert left is not None
    assert (left.ok, left.essential) == (None, False)
    assert left.said.startswith("left out: h100 (of main), a100 (of edge);")
    assert left.said.endswith("--cluster edge")
    assert doctoring.left_out(pools, "main") is None
    assert doctoring.left_out(pools[:1], None) is None


def test_a_cluster_that_nothing_names_is_told_those_there_are() -> None:
    pools = [a_pool("h100", cluster="main")]
    found = doctoring.nobody_names(pools, "nosuch", ["edge"])
    assert found is not None
    assert found.said.startswith("nothing names a cluster nosuch; Dure knows of edge, main:")
    assert doctoring.nobody_names(pools, "main", []) is None
    assert doctoring.nobody_names(pools, "edge", ["edge"]) is None


def test_accounts_that_are_missing_are_named() -> None:
    there = called("dure-reconciler", "dure-api", "default")
    assert wrong(doctoring.accounts(there, "dure-system")) == []
    assert wrong(doctoring.accounts(there[1:], "sys")) == [
        f"ServiceAccount dure-reconciler is not in namespace sys: {REMEDY}"
    ]


def test_each_permission_is_asked_for_by_itself_and_named_where_it_is_missing() -> None:
    asked = doctoring.reviews("dure-system")
    answers = [{**one, "status": {"allowed": True}} for one in asked]
    assert wrong(doctoring.permissions(answers, "dure-system")) == []
    without = {"verb": "bind", "group": "rbac.authorization.k8s.io", "resource": "clusterroles", "name": "dure-lease"}
    [lost] = [n for n, one in enumerate(asked) if one["spec"]["resourceAttributes"] == without]
    answers[lost] = {**asked[lost], "status": {"allowed": False}}
    [said] = wrong(doctoring.permissions(answers, "dure-system"))
    assert said.startswith("dure-reconciler may not bind clusterroles.rbac.authorization.k8s.io dure-lease:")
    token = {"resource": "serviceaccounts", "subresource": "token", "verb": "create"}
    [of_api] = [one["spec"] for one in asked if one["spec"]["resourceAttributes"] == token]
    assert of_api["user"] == "system:serviceaccount:dure-system:dure-api"
    assert doctoring.permissions(answers[1:], "dure-system")[0].ok is None


def test_a_namespace_that_is_not_ours_is_in_a_companys_way() -> None:
    there = [a_namespace("default"), an_own_namespace("acme"), a_namespace("dure-co-globex")]
    [said] = wrong(doctoring.namespaces(there, [], ["acme", "globex", "initech"]))
    assert "dure-co-globex is there and was not made by Dure, so company globex" in said
    assert wrong(doctoring.namespaces(there, [], ["acme"])) == []
    assert len(wrong(doctoring.namespaces(there, [], None))) == 1


def test_a_namespace_of_another_company_is_none_of_this_one() -> None:
    stolen = an_own_namespace("acme")
    stolen["metadata"]["name"] = "dure-co-globex"
    assert len(wrong(doctoring.namespaces([stolen], [], ["globex"]))) == 1


def test_a_namespace_that_only_lost_its_labels_is_dures_and_labelled_again_by_itself() -> None:
    there = [a_namespace("dure-co-acme", app="x"), a_namespace("dure-co-globex")]
    [mine, strange] = wrong(doctoring.namespaces(there, [a_key("acme"), a_key("initech")], ["acme", "globex"]))
    assert mine.startswith(
        "namespace dure-co-acme is Dure's, as the key of company acme works in it, and lost its labels"
    )
    assert "the scheduler puts them back" in mine
    assert "remove it" not in mine
    assert "dure-co-globex is there and was not made by Dure" in strange


@pytest.mark.parametrize(
    "change", [{"roleRef": {"name": "edit"}}, {"metadata": {"namespace": "dure-co-acme", "name": "dure-company"}}]
)
def test_a_binding_that_is_not_dures_makes_no_namespace_dures(change: dict[str, Any]) -> None:
    [said] = wrong(doctoring.namespaces([a_namespace("dure-co-acme")], [a_key("acme") | change], ["acme"]))
    assert "was not made by Dure" in said


POOL = a_pool("h100", cluster="main")


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ([a_node(pool="h100", tainted=True)], None),
        ([a_node(tainted=True)], "no node is of pool h100"),
        ([a_node(pool="h100", tainted=True, gpus=0)], "no node of pool h100 has nvidia.com/gpu"),
        (
            [a_node(pool="h100", tainted=True), a_node("gpu-02", pool="h100", tainted=True, gpus=0)],
            "gpu-02 of pool h100 has no nvidia.com/gpu",
        ),
        ([a_node(pool="h100")], "gpu-01 of pool h100 has no taint nvidia.com/gpu"),
        ([a_node(pool="h100", tainted=True), a_node("gpu-02", tainted=True)], "gpu-02 of pool h100 has no label"),
    ],
    ids=["as it should be", "no node", "no resource", "one without", "no taint", "no label"],
)
def test_a_pools_nodes_are_there_have_its_resource_and_keep_others_away(nodes: list[Any], says: str | None) -> None:
    found = wrong(doctoring.pools([POOL], nodes, "nvidia.com/gpu", {"h100": ["gpu-02"]}))
    assert found == [] if says is None else found[0].startswith(says)


def test_a_pool_whose_cluster_no_scheduler_is_told_of_is_named() -> None:
    pools = [
        a_pool("h100", cluster="mian", cluster_state="unknown"),
        a_pool("a100", cluster="main", cluster_state="ok"),
    ]
    [said] = wrong(doctoring.unserved(pools))
    assert said.startswith(
        "pool h100 names cluster mian, which no scheduler is told of, so nobody enforces its leases: "
        "dure pool enforce h100 --cluster NAME "
    )


def test_where_no_pool_is_enforced_that_is_not_wrong() -> None:
    assert doctoring.pools([], [], "nvidia.com/gpu", {})[0].ok is None
