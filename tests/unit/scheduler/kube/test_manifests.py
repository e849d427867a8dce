"""What a company has in a cluster."""

import pytest

from scheduler.kube import manifests
from scheduler.kube.desired import LeaseNow, Terms
from tests.unit.scheduler.kube.builders import GPU, a_company, a_lease

MIG = "nvidia.com/mig-1g.10gb"
INSIDE = "/api/v1/namespaces/dure-co-acme"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/dure-co-acme/rolebindings"


def names(*leases: LeaseNow, now: float = 500.0) -> set[str]:
    return set(manifests.objects(a_company(*leases), (GPU,), Terms(), now))


def test_a_namespace_says_whose_it_is_and_what_its_pods_may_not() -> None:
    found = manifests.namespace("acme")
    assert found["metadata"]["name"] == "dure-co-acme"
    labels = found["metadata"]["labels"]
    assert (labels["dure.dev/company"], labels["app.kubernetes.io/managed-by"]) == ("acme", "dure")
    assert labels["pod-security.kubernetes.io/enforce"] == "baseline"
    assert manifests.path(found) == INSIDE


def test_a_company_without_leases_has_its_bounds_and_its_key() -> None:
    assert names() == {
        f"{INSIDE}/resourcequotas/dure-gpus",
        f"{INSIDE}/limitranges/dure-limits",
        "/apis/networking.k8s.io/v1/namespaces/dure-co-acme/networkpolicies/dure-isolation",
        f"{INSIDE}/serviceaccounts/dure-company",
        f"{BINDINGS}/dure-company",
    }


def test_a_company_that_is_closed_has_its_bounds_and_no_key() -> None:
    left = names() - set(manifests.objects(a_company(closed_at=400), (GPU,), Terms(), 500))
    assert left == {f"{INSIDE}/serviceaccounts/dure-company", f"{BINDINGS}/dure-company"}
    assert names(a_lease()) == set(manifests.objects(a_company(a_lease(), closed_at=400), (GPU,), Terms(), 500))


def test_a_lease_has_a_key_while_it_holds_gpus_and_not_a_moment_longer() -> None:
    keys = {f"{INSIDE}/serviceaccounts/dure-lease-a", f"{BINDINGS}/dure-lease-a"}
    assert names(a_lease("lea_a", stops_at=1000), now=999.9) - names() == keys
    assert names(a_lease("lea_a", stops_at=1000), now=1000) == names()
    assert names(a_lease("lea_a", holds=False)) == names()


def test_a_binding_gives_its_account_and_nobody_else_the_role() -> None:
    found = manifests.objects(a_company(a_lease("lea_a")), (GPU,), Terms(), 500)[f"{BINDINGS}/dure-lease-a"]
    assert found["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "dure-lease"}
    assert found["subjects"] == [{"kind": "ServiceAccount", "name": "dure-lease-a", "namespace": "dure-co-acme"}]
    assert found["metadata"]["labels"]["dure.dev/lease"] == "lea_a"


def test_all_that_is_ours_says_so() -> None:
    for found in manifests.objects(a_company(a_lease()), (GPU,), Terms(), 500).values():
        assert found["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "dure"
        assert found["metadata"]["namespace"] == "dure-co-acme"


@pytest.mark.parametrize("closed", [("10.0.0.0/8", "203.0.113.0/24"), ()], ids=["some", "none"])
def test_a_companys_pods_reach_the_internet_but_for_what_is_closed(closed: tuple[str, ...]) -> None:
    found = manifests.objects(a_company(), (GPU,), Terms(closed_networks=closed), 500)
    policy = found["/apis/networking.k8s.io/v1/namespaces/dure-co-acme/networkpolicies/dure-isolation"]
    block = policy["spec"]["egress"][-1]["to"][0]["ipBlock"]
    assert block == {"cidr": "0.0.0.0/0"} | ({"except": list(closed)} if closed else {})
    assert policy["spec"]["ingress"] == [{"from": [{"podSelector": {}}]}]


def test_the_quota_is_of_all_leases_that_run_or_are_scheduled() -> None:
    leases = (a_lease("lea_a"), a_lease("lea_b", holds=False), a_lease("lea_c", resource=MIG, placement={"n1": 3}))
    quota = manifests.objects(a_company(*leases), (GPU, MIG, "amd.com/gpu"), Terms(), 500)[
        f"{INSIDE}/resourcequotas/dure-gpus"
    ]
    want = {f"requests.{GPU}": "16", f"requests.{MIG}": "3", "requests.amd.com/gpu": "0", "pods": "538"}
    assert quota["spec"]["hard"] == want


@pytest.mark.parametrize(("left_over", "want"), [(0, "8"), (4, "12"), (100, "16")])
def test_what_a_lease_gone_by_left_at_the_gate_takes_nothing_from_the_next(left_over: int, want: str) -> None:
    found = manifests.objects(a_company(a_lease()), (GPU, MIG), Terms(), 500, {GPU: left_over, MIG: 1})
    hard = found[f"{INSIDE}/resourcequotas/dure-gpus"]["spec"]["hard"]
    assert (hard[f"requests.{GPU}"], hard[f"requests.{MIG}"]) == (want, "0")


def test_so_many_pods_are_written_as_the_api_server_writes_them_too() -> None:
    quota = manifests.objects(a_company(a_lease(placement={"n1": 250})), (GPU,), Terms(), 500)[
        f"{INSIDE}/resourcequotas/dure-gpus"
    ]
    assert quota["spec"]["hard"]["pods"] == "1k"


@pytest.mark.parametrize(
    ("count", "want"), [(0, "0"), (8, "8"), (999, "999"), (1000, "1k"), (1024, "1024"), (16_000, "16k")]
)
def test_a_quantity_is_written_as_the_api_server_writes_it(count: int, want: str) -> None:
    assert manifests.quantity(count) == want
