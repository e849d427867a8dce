"""What is to be done about a company: all of it together."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.kube.actions import Apply, Create, Delete, Open, Patch, Tell
from scheduler.kube.desired import CompanyNow, Terms
from scheduler.kube.manifests import lease_key
from scheduler.kube.observed import Seen
from scheduler.kube.pairing import Code
from scheduler.kube.reconcile import Steps, reconcile, unfit
from tests.unit.scheduler.kube.builders import (
    CUT_AT,
    GPU,
    a_company,
    a_lease,
    a_namespace,
    a_placed_pod,
    a_pod,
    furnished_with,
    of_kind,
    some_nodes,
)

NOW = 500.0
TERMS = Terms(warning_s=200)


def steps(company: CompanyNow, seen: Seen | None = None, now: float = NOW) -> Steps:
    return reconcile(company, furnished_with(company, now) if seen is None else seen, some_nodes(), (GPU,), TERMS, now)


def test_a_company_in_order_needs_nothing() -> None:
    company = a_company(a_lease())
    found = steps(company, furnished_with(company, NOW, a_placed_pod()))
    assert (found.actions, found.waits, found.trouble) == ((), {}, None)


def test_a_company_that_is_new_gets_its_namespace() -> None:
    (action,) = steps(a_company(), Seen()).actions
    assert isinstance(action, Create)


def test_a_pod_is_let_in() -> None:
    company = a_company(a_lease())
    (action,) = steps(company, furnished_with(company, NOW, a_pod())).actions
    assert isinstance(action, Open)
    assert (action.lease, action.node) == ("lea_a", "n1")


def test_a_pod_that_waits_is_told_why() -> None:
    found = steps(a_company(), furnished_with(a_company(), NOW, a_pod()))
    (told,) = found.actions
    assert isinstance(told, Tell)
    assert told.reason == "NoLease"
    assert told.message.startswith("You have no lease of nvidia.com/gpu")
    assert {uid: wait.code for uid, wait in found.waits.items()} == {"uid-p": Code.NO_LEASE}


def test_whose_gate_is_being_opened_is_not_decided_anew() -> None:
    company = a_company(a_lease())
    seen = furnished_with(company, NOW, a_pod("b", 8, created_at=1), a_pod("a", 8, created_at=1))
    begun = Seen(namespace=seen.namespace, objects=seen.objects, pods=seen.pods, begun={"uid-b": ("lea_a", "n1")})
    assert [one.uid for one in of_kind(steps(company, begun).actions, Open)] == ["uid-b"]


def test_what_a_lease_gone_by_left_at_the_gate_is_counted_out_of_the_quota() -> None:
    company = a_company(a_lease())
    found = steps(company, furnished_with(company, NOW, a_pod("again", 8, wish="lea_gone"), a_pod("next", 8)))
    (quota,) = of_kind(found.actions, Apply)
    assert quota.body["spec"]["hard"][f"requests.{GPU}"] == "16"


def test_what_its_kubelet_does_not_end_is_late_from_its_leases_end_on() -> None:
    company = a_company(a_lease(stops_at=480))
    stuck = a_placed_pod("stuck", deleted_at=475.0, deletion_grace_s=1)
    others = a_placed_pod("runs", lease="lea_b"), a_placed_pod("over", phase="Succeeded"), a_pod("gated")
    both = a_company(*company.leases, a_lease("lea_b"))
    found = steps(both, furnished_with(both, NOW, stuck, *others))
    assert found.past_s(NOW) == (20.0,)
    assert steps(a_company(), furnished_with(a_company(), NOW, stuck)).past_s(NOW) == (25.0,)


def test_in_a_cluster_that_is_not_fit_who_would_be_let_in_is_told_so() -> None:
    company = a_company(a_lease())
    found = unfit(steps(company, furnished_with(company, NOW, a_pod(), a_pod("x", 9))), "policy dure-gate is missing")
    assert {uid: one.code for uid, one in found.waits.items()} == {
        "uid-p": Code.CLUSTER_UNFIT,
        "uid-x": Code.NEVER_FITS,
    }
    assert found.waits["uid-p"].detail.endswith("policy dure-gate is missing")


def test_ends_come_first() -> None:
    company = a_company(a_lease())
    found = steps(company, Seen(namespace=a_namespace(), pods=(a_placed_pod(),)), now=980.0)
    assert isinstance(found.actions[0], Delete)


THEIRS = a_namespace(**{"app.kubernetes.io/managed-by": None})


@pytest.mark.parametrize("closed_at", [None, 0])
def test_nothing_is_done_in_a_namespace_that_is_not_ours(closed_at: int | None) -> None:
    pods = (a_pod("gated"), a_pod("theirs", gates=(), phase="Running"), a_pod("forged", placed="lea_a"))
    found = steps(a_company(a_lease(), closed_at=closed_at), Seen(namespace=THEIRS, pods=pods))
    assert (found.actions, found.next_at, found.ends) == ((), None, ())
    assert {uid: (one.code, one.detail) for uid, one in found.waits.items()} == {
        f"uid-{name}": (Code.NAMESPACE, found.trouble) for name in ("gated", "forged")
    }
    assert found.trouble is not None
    assert found.trouble.startswith(
        "namespace dure-co-acme does not carry Dure's labels: somebody else made it, or took them"
    )
    assert found.trouble.endswith("label it dure.dev/company=acme and app.kubernetes.io/managed-by=dure again")


@pytest.mark.parametrize(
    ("now", "want", "then"),
    [(500.0, None, 800), (980.0, CUT_AT - 980, CUT_AT - 2), (1000.0, 1, 1000.5)],
    ids=["runs", "is told", "is over"],
)
def test_what_was_let_in_is_ended_with_its_lease_though_somebody_took_the_labels_off(
    now: float, want: int | None, then: float | None
) -> None:
    found = steps(a_company(a_lease()), Seen(namespace=THEIRS, pods=(a_placed_pod(),)), now)
    assert [one.grace_s for one in of_kind(found.actions, Delete)] == ([] if want is None else [want])
    assert found.next_at == then
    assert found.trouble is not None


@pytest.mark.parametrize(
    ("now", "want"),
    [
        (500.0, 800),
        (800.0, 900),
        (900.0, 962),
        (962.0, 968),
        (968.0, 970.5),
        (970.5, 992),
        (992.0, 994.5),
        (994.5, 998),
        (998.0, 1000.5),
        (1000.5, None),
    ],
)
def test_it_is_known_when_time_alone_brings_more(now: float, want: float | None) -> None:
    company = a_company(a_lease())
    assert steps(company, furnished_with(company, now, a_placed_pod()), now).next_at == want


def test_without_pods_the_keys_of_a_lease_end_with_it() -> None:
    found = steps(a_company(a_lease()), now=998.0)
    assert [(one.path.rpartition("/")[2], one.at) for one in found.ahead] == [("dure-lease-a", 1000)]
    assert steps(a_company(a_lease()), now=975.0).next_at == 998
    assert found.next_at == 1000.5


def test_the_key_of_a_lease_that_may_be_extended_to_its_end_is_looked_at_then() -> None:
    found = steps(a_company(a_lease(closes_at=None)), now=998.0)
    assert (found.ahead, found.next_at) == ((), 1000)


def test_a_key_that_is_still_to_be_made_is_looked_at_when_it_is_not_wanted_any_more() -> None:
    company = a_company(a_lease())
    seen = furnished_with(company, NOW)
    made = {path: one for path, one in seen.objects.items() if path != lease_key("acme", "lea_a")}
    assert steps(company, replace(seen, objects=made), 998.0).next_at == 1000


def test_a_pod_that_fits_two_leases_is_let_in_once_one_of_them_is_ending() -> None:
    company = a_company(a_lease("lea_a"), a_lease("lea_b", stops_at=2000))
    waiting = furnished_with(company, NOW, a_pod())
    assert of_kind(steps(company, waiting).actions, Open) == []
    at = steps(company, waiting).next_at
    assert at == 964  # there is no time for its own grace any more
    assert [one.lease for one in of_kind(steps(company, waiting, at).actions, Open)] == ["lea_b"]


def test_a_scheduled_lease_is_waited_for_by_whoever_starts_it() -> None:
    assert steps(a_company(a_lease(holds=False, starts_at=600))).next_at is None


def test_a_company_that_was_closed_is_looked_at_when_it_is_to_be_removed() -> None:
    assert steps(a_company(closed_at=400)).next_at == 400 + TERMS.removal_grace_s


def test_a_pod_that_no_lease_explains_is_looked_at_until_it_is_gone() -> None:
    stray: dict[str, Any] = {"lease": "lea_x", "deleted_at": 501.0, "deletion_grace_s": 1, "finalizers": ("a/b",)}
    seen = furnished_with(a_company(), NOW, a_placed_pod(**stray))
    found = steps(a_company(), seen)
    assert found.next_at == 502.5
    assert of_kind(steps(a_company(), seen, 502.5).actions, Delete) == []
    assert [one.what for one in of_kind(steps(a_company(), seen, 502.5).actions, Patch)] == ["finalizers"]
