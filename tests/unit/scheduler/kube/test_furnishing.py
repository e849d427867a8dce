"""A company's namespace and what bounds it, made, repaired and taken away."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from scheduler.kube.actions import Action, Apply, Create, Patch, Remove
from scheduler.kube.desired import CompanyNow, Terms
from scheduler.kube.furnishing import ahead, covers, furnished, is_as_wanted, is_ours
from scheduler.kube.observed import Seen
from tests.unit.scheduler.kube.builders import (
    GPU,
    a_company,
    a_lease,
    a_namespace,
    furnished_with,
    patched,
    with_uid,
)

NOW = 500.0
SPACE = "/api/v1/namespaces/dure-co-acme"
QUOTA = f"{SPACE}/resourcequotas/dure-gpus"
ACCOUNT = f"{SPACE}/serviceaccounts/dure-lease-a"
BINDING = "/apis/rbac.authorization.k8s.io/v1/namespaces/dure-co-acme/rolebindings/dure-lease-a"
KEY = "/apis/rbac.authorization.k8s.io/v1/namespaces/dure-co-acme/rolebindings/dure-company"
KEY_ACCOUNT = f"{SPACE}/serviceaccounts/dure-company"
LEVEL = "pod-security.kubernetes.io/enforce"
LIMITS = f"{SPACE}/limitranges/dure-limits"
ISOLATION = "/apis/networking.k8s.io/v1/namespaces/dure-co-acme/networkpolicies/dure-isolation"
TERMS = Terms(removal_grace_s=100)


def todo(company: CompanyNow, seen: Seen, now: float = NOW, resources: tuple[str, ...] = (GPU,)) -> list[Action]:
    return list(furnished(company, seen, resources, TERMS, now))


def test_the_namespace_comes_first_and_alone() -> None:
    (action,) = todo(a_company(a_lease()), Seen())
    assert isinstance(action, Create)
    assert action.body["metadata"]["name"] == "dure-co-acme"


def test_then_all_that_should_be_in_it() -> None:
    company = a_company(a_lease())
    found = todo(company, Seen(namespace=a_namespace()))
    assert {one.path for one in found} == set(furnished_with(company, NOW).objects)
    assert all(isinstance(one, Apply) for one in found)


def test_what_is_as_it_should_be_is_left_alone() -> None:
    company = a_company(a_lease())
    assert todo(company, furnished_with(company, NOW)) == []


def test_what_somebody_changed_is_repaired() -> None:
    company = a_company(a_lease())
    seen = furnished_with(company, NOW)
    changed: dict[str, Any] = copy.deepcopy(dict(seen.objects))
    changed[QUOTA]["spec"]["hard"][f"requests.{GPU}"] = "800"
    found = todo(company, replace(seen, objects=changed))
    assert found == [Apply(path=QUOTA, body=_wanted(company, QUOTA))]


def _wanted(company: CompanyNow, path: str) -> dict[str, Any]:
    found = copy.deepcopy(dict(furnished_with(company, NOW).objects[path]))
    del found["metadata"]["uid"]
    return found


def test_what_others_added_beside_it_stays() -> None:
    company = a_company()
    seen = furnished_with(company, NOW)
    more: dict[str, Any] = copy.deepcopy(dict(seen.objects))
    more[QUOTA]["metadata"]["annotations"] = {"a": "b"}
    more[QUOTA]["metadata"]["labels"]["team"] = "c"
    more[KEY_ACCOUNT]["imagePullSecrets"] = [{"name": "d"}]
    assert todo(company, replace(seen, objects=more)) == []


def _peer_of_every_namespace(found: dict[str, Any]) -> None:
    found["spec"]["ingress"][0]["from"][0]["namespaceSelector"] = {}


def _another_peer(found: dict[str, Any]) -> None:
    found["spec"]["egress"].append({})


def _another_subject(found: dict[str, Any]) -> None:
    found["subjects"].append({"kind": "User", "name": "mallory"})


def _limits_beside(found: dict[str, Any]) -> None:
    found["spec"]["limits"][0]["default"] = {"cpu": "1"}


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (ISOLATION, _peer_of_every_namespace),
        (ISOLATION, _another_peer),
        (LIMITS, _limits_beside),
        (KEY, _another_subject),
    ],
)
def test_what_somebody_added_to_a_list_is_replaced_by_applying(
    path: str, change: Callable[[dict[str, Any]], None]
) -> None:
    seen = furnished_with(a_company(), NOW)
    changed: dict[str, Any] = copy.deepcopy(dict(seen.objects))
    change(changed[path])
    assert todo(a_company(), replace(seen, objects=changed)) == [Apply(path=path, body=_wanted(a_company(), path))]


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        (ISOLATION, {"podSelector": {"matchLabels": {"app": "none"}}}),
        (QUOTA, {"hard": {"requests.nvidia.com/gpu": "0", "pods": "500", "services": "0"}}),
        (QUOTA, {"scopeSelector": {"matchExpressions": [{"scopeName": "BestEffort", "operator": "Exists"}]}}),
    ],
)
def test_what_somebody_added_beside_and_applying_would_leave_is_written_over(path: str, spec: dict[str, Any]) -> None:
    seen = furnished_with(a_company(), NOW)
    changed: dict[str, Any] = copy.deepcopy(dict(seen.objects))
    changed[path]["spec"] |= spec
    (action,) = todo(a_company(), replace(seen, objects=changed))
    assert isinstance(action, Patch)
    assert (action.path, action.uid) == (path, path)
    assert patched(changed[path], action.operations) == seen.objects[path]


def test_a_quota_that_was_given_scopes_is_made_anew_as_they_cannot_be_taken_off() -> None:
    seen = furnished_with(a_company(), NOW)
    changed: dict[str, Any] = copy.deepcopy(dict(seen.objects))
    changed[QUOTA]["spec"]["scopes"] = ["BestEffort"]
    assert todo(a_company(), replace(seen, objects=changed)) == [Remove(path=QUOTA, uid=QUOTA)]


@pytest.mark.parametrize("level", ["baseline", "privileged"])
def test_an_older_version_of_pod_security_is_taken_off_the_namespace_and_its_level_put_right_at_once(
    level: str,
) -> None:
    changed = a_namespace(**{LEVEL: level, f"{LEVEL}-version": "v1.0", "team": "a"})
    (action,) = todo(a_company(), replace(furnished_with(a_company(), NOW), namespace=changed))
    assert isinstance(action, Patch)
    assert action.path == SPACE
    assert patched(changed, action.operations) == a_namespace(team="a")


def test_the_binding_of_a_lease_that_is_over_goes_before_its_account() -> None:
    seen = furnished_with(a_company(a_lease()), NOW)
    found = todo(a_company(), seen)
    assert found[:2] == [Remove(path=BINDING, uid=BINDING), Remove(path=ACCOUNT, uid=ACCOUNT)]


@pytest.mark.parametrize(
    ("now", "closes_at", "want"),
    [
        pytest.param(997.9, 900, [], id="it is not near yet"),
        pytest.param(998.0, 900, [1000], id="two seconds ahead"),
        pytest.param(998.5, 999, [], id="it may still be extended"),
        pytest.param(998.5, None, [], id="it may be extended to its end"),
        pytest.param(1000.0, 900, [], id="it is due, and is looked at"),
    ],
)
def test_the_key_of_a_lease_that_stays_is_taken_at_its_end_by_what_was_decided_ahead(
    now: float, closes_at: int | None, want: list[int]
) -> None:
    company = a_company(replace(a_lease(), stops_at=1000, closes_at=closes_at))
    found = list(ahead(company, furnished_with(company, NOW), now))
    assert [(one.path, one.uid, one.at) for one in found] == [(BINDING, BINDING, at) for at in want]


def test_a_key_that_is_not_there_is_not_taken() -> None:
    company = a_company(replace(a_lease(), stops_at=1000, closes_at=900))
    assert list(ahead(company, Seen(namespace=a_namespace()), 999)) == []


def test_a_binding_to_another_role_is_made_anew() -> None:
    company = a_company(a_lease())
    seen = furnished_with(company, NOW)
    changed: dict[str, Any] = copy.deepcopy(dict(seen.objects))
    changed[BINDING]["roleRef"]["name"] = "cluster-admin"
    assert todo(company, replace(seen, objects=changed)) == [Remove(path=BINDING, uid=BINDING)]
    del changed[BINDING]
    assert [type(one) for one in todo(company, replace(seen, objects=changed))] == [Apply]


def test_labels_that_somebody_took_from_the_namespace_are_put_back() -> None:
    seen = replace(furnished_with(a_company(), NOW), namespace=a_namespace(**{"dure.dev/company": None}))
    (action,) = todo(a_company(), seen)
    assert isinstance(action, Apply)
    assert action.path == SPACE


STRANGE: list[dict[str, str | None]] = [
    {"app.kubernetes.io/managed-by": None},
    {"app.kubernetes.io/managed-by": "helm"},
    {"dure.dev/company": "other"},
    {"app.kubernetes.io/managed-by": None, "dure.dev/company": None},
]
"""Labels that are not as we make them."""


@pytest.mark.parametrize("labels", STRANGE)
def test_a_namespace_that_is_not_ours_is_never_adopted(labels: dict[str, str | None]) -> None:
    seen = Seen(namespace=a_namespace(**labels))
    assert not is_ours(seen, "acme")
    assert todo(a_company(a_lease()), seen) == []
    assert todo(a_company(closed_at=0), seen) == []


@pytest.mark.parametrize("labels", STRANGE)
def test_one_in_which_the_companys_key_works_is_ours_and_its_labels_are_put_back(labels: dict[str, str | None]) -> None:
    seen = replace(furnished_with(a_company(), NOW), namespace=a_namespace(**labels))
    assert is_ours(seen, "acme")
    (action,) = todo(a_company(), seen)
    assert isinstance(action, Apply)
    assert action.path == SPACE
    assert action.body["metadata"]["labels"] == a_namespace()["metadata"]["labels"]


@pytest.mark.parametrize("role", [None, "edit"])
def test_a_binding_that_somebody_else_made_makes_no_namespace_ours(role: str | None) -> None:
    seen = furnished_with(a_company(), NOW)
    strange: dict[str, Any] = copy.deepcopy(dict(seen.objects))
    if role is None:
        del strange[KEY]
    else:
        strange[KEY]["roleRef"]["name"] = role
    assert not is_ours(replace(seen, namespace=a_namespace(**STRANGE[0]), objects=strange), "acme")


def test_a_namespace_without_labels_is_not_ours() -> None:
    assert not is_ours(Seen(namespace={"metadata": {"name": "dure-co-acme", "labels": None}}), "acme")


def test_nothing_is_put_into_a_namespace_that_is_going() -> None:
    going = a_namespace()
    going["metadata"]["deletionTimestamp"] = "1970-01-01T00:08:00Z"
    assert todo(a_company(a_lease()), Seen(namespace=going)) == []


def test_the_key_of_a_company_that_was_closed_goes_its_binding_first_and_is_made_anew_when_it_is_opened() -> None:
    seen = furnished_with(a_company(), NOW)
    key = f"{SPACE}/serviceaccounts/dure-company"
    binding = "/apis/rbac.authorization.k8s.io/v1/namespaces/dure-co-acme/rolebindings/dure-company"
    assert todo(a_company(closed_at=450), seen) == [Remove(path=binding, uid=binding), Remove(path=key, uid=key)]
    left = {path: body for path, body in seen.objects.items() if path not in (key, binding)}
    assert [one.path for one in todo(a_company(), replace(seen, objects=left))] == [key, binding]


def test_a_closed_company_is_removed_after_a_while() -> None:
    closed = a_company(closed_at=400)
    seen = furnished_with(closed, NOW)
    assert todo(closed, seen, 499.9) == []
    assert todo(closed, seen, 500) == [Remove(path=SPACE, uid="uid-ns")]
    assert todo(closed, Seen(), 500) == []


def test_where_no_pool_names_the_cluster_no_namespace_is_made() -> None:
    assert todo(a_company(), Seen(), resources=()) == []


def test_where_no_pool_names_the_cluster_any_more_the_key_of_a_company_goes_with_it_and_then_its_namespace() -> None:
    seen = furnished_with(a_company(), NOW)
    assert todo(a_company(), seen, resources=()) == []
    gone = todo(a_company(closed_at=450), seen, resources=())
    assert [one.path for one in gone] == [KEY, f"{SPACE}/serviceaccounts/dure-company"]
    assert todo(a_company(closed_at=400), seen, 500, resources=()) == [Remove(path=SPACE, uid="uid-ns")]


@pytest.mark.parametrize(
    ("found", "wanted", "want"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 2}, {"a": 1}, False),
        ({}, {"a": 1}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": {"b": 2}}, {"a": {"b": 1}}, False),
        ({"a": "x"}, {"a": {"b": 1}}, False),
        ({}, {"a": False}, False),
        (None, {"a": 1}, False),
    ],
)
def test_what_is_wanted_is_there_or_not(found: Any, wanted: Any, want: bool) -> None:
    assert covers(found, wanted) is want


def test_a_copy_with_a_uid_is_as_wanted() -> None:
    wanted = _wanted(a_company(), QUOTA)
    assert is_as_wanted(with_uid(wanted, "u"), wanted)
