"""The patch that lets a pod in, as an API server applies it."""

import pytest

from scheduler.kube import observed
from scheduler.kube.actions import Json, Open
from scheduler.kube.desired import LeaseNow, Terms
from scheduler.kube.observed import Node
from scheduler.kube.opening import deadline, escaped, extending_closed, opened, stays
from scheduler.kube.pairing import Seat
from tests.unit.scheduler.kube.builders import (
    CUT_AT,
    GATE,
    Unprocessable,
    a_company,
    a_json_pod,
    a_lease,
    a_placed_pod,
    patched,
)

TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
TERMS = Terms(warning_s=200)


def an_opening(said: Json, lease: LeaseNow | None = None, now: float = 500.5) -> Open:
    seat = Seat(lease=lease or a_lease(), node=Node(name="n1", hostname="host-1", ready=True))
    return opened(observed.pod(said), seat, TERMS, now)


def after(said: Json, lease: LeaseNow | None = None, now: float = 500.5) -> Json:
    return patched(said, an_opening(said, lease, now).operations)


def test_one_patch_pins_tolerates_marks_and_opens() -> None:
    found = after(a_json_pod())
    assert found["spec"]["nodeSelector"] == {"kubernetes.io/hostname": "host-1"}
    assert found["spec"]["tolerations"] == [TOLERATION]
    assert found["spec"]["schedulingGates"] == []
    assert found["metadata"]["labels"] == {"dure.dev/placement": "lea_a"}
    assert found["metadata"]["annotations"] == {"dure.dev/ends-at": "1970-01-01T00:16:40Z"}
    assert "activeDeadlineSeconds" not in found["spec"]


def test_what_its_maker_wrote_stays() -> None:
    theirs = {"operator": "Exists", "key": "acme.example/x"}
    said = a_json_pod(
        meta={"labels": {"app": "web"}, "annotations": {"a/b": "c"}},
        nodeSelector={"zone": "a"},
        tolerations=[theirs],
        schedulingGates=[{"name": "acme.example/quota"}, {"name": GATE}],
    )
    found = after(said)
    assert found["spec"]["nodeSelector"] == {"zone": "a", "kubernetes.io/hostname": "host-1"}
    assert found["spec"]["tolerations"] == [theirs, TOLERATION]
    assert found["spec"]["schedulingGates"] == [{"name": "acme.example/quota"}]
    assert found["metadata"]["labels"] == {"app": "web", "dure.dev/placement": "lea_a"}
    assert found["metadata"]["annotations"].keys() == {"a/b", "dure.dev/ends-at"}


def test_who_is_let_in_shortly_before_the_end_is_marked_with_that_at_once() -> None:
    end = "1970-01-01T00:16:40Z"
    assert after(a_json_pod(), now=800.0)["metadata"]["annotations"] == {
        "dure.dev/ends-at": end,
        "dure.dev/ending": end,
    }


def test_a_pod_that_is_another_version_by_now_is_not_let_in() -> None:
    action = an_opening(a_json_pod(version=7))
    with pytest.raises(Unprocessable):
        patched(a_json_pod(version=8), action.operations)


def test_what_is_let_in_says_where_and_for_which_lease() -> None:
    action = an_opening(a_json_pod("web"))
    assert (action.path, action.uid, action.lease, action.node) == (
        "/api/v1/namespaces/dure-co-acme/pods/web",
        "uid-web",
        "lea_a",
        "n1",
    )


@pytest.mark.parametrize(
    ("own", "want"),
    [(None, CUT_AT - 501 - 30), (100, 100), (100_000, CUT_AT - 501 - 30)],
    ids=["it has none", "it has an earlier one", "it has a later one"],
)
def test_once_extending_has_closed_a_pod_is_let_in_with_its_deadline(own: int | None, want: int) -> None:
    said = a_json_pod() if own is None else a_json_pod(activeDeadlineSeconds=own)
    assert after(said, a_lease(closes_at=500))["spec"]["activeDeadlineSeconds"] == want


@pytest.mark.parametrize(("closes_at", "want"), [(None, False), (501, False), (500, True), (0, True)])
def test_extending_closes_at_its_instant(closes_at: int | None, want: bool) -> None:
    assert extending_closed(a_lease(closes_at=closes_at), 500) is want


def test_a_deadline_leaves_the_pods_own_grace_and_the_margin_before_the_end() -> None:
    assert deadline(a_placed_pod(grace_s=10), a_lease(), Terms(), begins=200.9) == 783
    assert deadline(a_placed_pod(grace_s=10, deadline_s=783), a_lease(), Terms(), begins=200.9) is None


def test_a_deadline_is_at_least_a_second() -> None:
    assert deadline(a_placed_pod(), a_lease(), Terms(), begins=999) == 1


def test_a_key_in_a_json_pointer_is_escaped() -> None:
    assert escaped("a~b/c") == "a~0b~1c"


@pytest.mark.parametrize(
    ("leases", "now", "want"),
    [
        pytest.param((a_lease(),), 500.0, True, id="nothing happened"),
        pytest.param((), 500.0, False, id="released meanwhile"),
        pytest.param((a_lease(holds=False),), 500.0, False, id="put off"),
        pytest.param((a_lease(placement={"n2": 8}),), 500.0, False, id="moved"),
        pytest.param((a_lease(),), 970.0, False, id="ending"),
    ],
)
def test_who_waited_for_the_api_server_is_let_in_if_its_lease_is_still_there(
    leases: tuple[LeaseNow, ...], now: float, want: bool
) -> None:
    action = an_opening(a_json_pod())
    assert stays(action, a_company(*leases), now) is want
    assert not stays(action, None, now)
