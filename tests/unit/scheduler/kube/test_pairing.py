"""Which pod is let in to which lease, on which node, or why it waits."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.kube.desired import LeaseNow, Terms
from scheduler.kube.observed import Pod
from scheduler.kube.pairing import Code, Seat, Wait, pair, sits
from tests.unit.scheduler.kube.builders import GPU, a_lease, a_placed_pod, a_pod, some_nodes

NOW = 500.0
MIG = "nvidia.com/mig-1g.10gb"


def answer(pods: list[Pod], *leases: LeaseNow, now: float = NOW, **more: Any) -> dict[str, str]:
    """By the pod's name: the lease and node that it is let in to, or the code of why it waits."""
    paired = pair(pods, leases, some_nodes("n1", "n2", "n3"), Terms(), now, **more)
    names = {pod.uid: pod.name for pod in pods}
    return {names[uid]: _said(one) for uid, one in paired.items()}


def _said(one: Seat | Wait) -> str:
    return f"{one.lease.id} {one.node.name}" if isinstance(one, Seat) else str(one.code)


def test_a_pod_goes_to_the_only_lease_that_it_fits() -> None:
    small, large = a_lease("lea_s", placement={"n1": 2}), a_lease("lea_l", placement={"n2": 8})
    assert answer([a_pod(gpus=4)], small, large) == {"p": "lea_l n2"}


def test_a_pod_that_fits_two_leases_waits_and_is_told_which_label_to_set() -> None:
    paired = pair([a_pod()], [a_lease("lea_a"), a_lease("lea_b")], some_nodes(), Terms(), NOW)
    assert paired == {
        "uid-p": Wait(
            code=Code.WHICH_LEASE, detail="it fits leases lea_a, lea_b; say which by the label dure.dev/lease"
        )
    }


def test_the_leases_to_choose_from_are_said_by_their_names_too() -> None:
    paired = pair([a_pod()], [a_lease("lea_a"), a_lease("lea_b", name="nightly")], some_nodes(), Terms(), NOW)
    found = paired["uid-p"]
    assert isinstance(found, Wait)
    assert found.detail.startswith("it fits leases lea_a, lea_b (nightly); say which")


def test_a_pod_too_large_for_the_lease_that_it_names_is_told_what_that_has_whatever_others_have() -> None:
    leases = [a_lease("lea_a", placement={"n1": 1}), a_lease("lea_b", placement={"n2": 8})]
    found = pair([a_pod(wish="lea_a", gpus=8)], leases, some_nodes(), Terms(), NOW)["uid-p"]
    assert isinstance(found, Wait)
    assert (
        found.detail
        == "it asks for 8 nvidia.com/gpu on one node, and lease lea_a has no more than 1 on one; ask for fewer"
    )


@pytest.mark.parametrize("wish", ["lea_b", "nightly"])
def test_a_pod_goes_to_the_lease_that_it_names(wish: str) -> None:
    assert answer([a_pod(wish=wish)], a_lease("lea_a"), a_lease("lea_b", name="nightly")) == {"p": "lea_b n1"}


def test_a_lease_that_is_ending_does_not_stand_in_the_way_of_the_next() -> None:
    ending, following = (
        a_lease("lea_a", name="nightly", stops_at=510),
        a_lease("lea_b", name="nightly", placement={"n2": 8}),
    )
    assert answer([a_pod()], ending, following) == {"p": "lea_b n2"}
    assert answer([a_pod(wish="nightly")], ending, following) == {"p": "lea_b n2"}
    assert answer([a_pod(wish="lea_a")], ending, following) == {"p": "ending"}


@pytest.mark.parametrize(
    ("pod", "leases", "want"),
    [
        pytest.param(a_pod(), [], Code.NO_LEASE, id="no lease at all"),
        pytest.param(a_pod(), [a_lease(resource=MIG)], Code.NO_LEASE, id="none of what it asks for"),
        pytest.param(a_pod(), [a_lease(holds=False, starts_at=600)], Code.NOT_STARTED, id="it has not started"),
        pytest.param(a_pod(), [a_lease(holds=False)], Code.NOT_STARTED, id="it should have started"),
        pytest.param(
            a_pod(wish="lea_a"), [a_lease(holds=False)], Code.NOT_STARTED, id="the one it names has not started"
        ),
        pytest.param(a_pod(wish="x"), [a_lease()], Code.UNKNOWN_LEASE, id="a name that is no lease's"),
        pytest.param(a_pod(wish="lea_a"), [a_lease(resource=MIG)], Code.OTHER_RESOURCE, id="a lease of something else"),
        pytest.param(
            a_pod(gpus=9), [a_lease(placement={"n1": 8, "n2": 8})], Code.NEVER_FITS, id="more than on one node"
        ),
        pytest.param(a_pod(wish="lea_a", gpus=9), [a_lease()], Code.NEVER_FITS, id="more than the one it names has"),
        pytest.param(a_pod(grace_s=31), [a_lease()], Code.GRACE_TOO_LONG, id="it takes too long to end"),
        pytest.param(a_pod(grace_s=1), [a_lease(stops_at=530)], Code.ENDING, id="the lease ends now"),
        pytest.param(a_pod(), [a_lease(stops_at=535)], Code.ENDING, id="there is no time for its own grace"),
        pytest.param(a_pod(hostname="n1"), [a_lease()], Code.PINNED, id="it names a node"),
        pytest.param(a_pod(gpus=0), [a_lease()], None, id="without GPUs it is none of ours"),
        pytest.param(replace(a_pod(), gpus=((GPU, 1), (MIG, 1))), [a_lease()], Code.MIXED, id="two kinds of GPUs"),
        pytest.param(a_pod(), [a_lease(placement={"n9": 8})], Code.NODE_AWAY, id="its node is not in the cluster"),
        pytest.param(a_pod(gates=()), [a_lease()], None, id="past the gate"),
        pytest.param(a_pod(phase="Failed"), [a_lease()], None, id="over"),
        pytest.param(a_pod(deleted_at=500.0), [a_lease()], None, id="being deleted"),
    ],
)
def test_why_a_pod_waits_is_said(pod: Pod, leases: list[LeaseNow], want: Code | None) -> None:
    paired = pair([pod], leases, some_nodes(), Terms(), NOW)
    if want is None:
        assert paired == {}
        return
    wait = paired["uid-p"]
    assert isinstance(wait, Wait)
    assert wait.code == want
    assert len(wait.detail.split()) > 4


def test_where_a_pool_has_no_grace_a_pod_may_have_the_second_that_the_policies_ask_for() -> None:
    lease = a_lease(grace_s=0)
    assert answer([a_pod(grace_s=1)], lease) == {"p": "lea_a n1"}
    wait = pair([a_pod(grace_s=2)], [lease], some_nodes(), Terms(), NOW)["uid-p"]
    assert isinstance(wait, Wait)
    assert "set 1 at most" in wait.detail


def test_a_node_that_is_not_ready_is_waited_for() -> None:
    paired = pair([a_pod()], [a_lease()], some_nodes(ready=False), Terms(), NOW)
    assert paired["uid-p"] == Wait(
        code=Code.NODE_AWAY, detail="n1, where lease lea_a is, is not ready in the cluster, or cordoned"
    )


@pytest.mark.parametrize("devices", [(), ((GPU, 3),), ((MIG, 16),)], ids=["nothing", "too few", "something else"])
def test_a_node_that_has_less_of_the_resource_than_a_pod_asks_for_is_waited_for_and_named(devices: Any) -> None:
    paired = pair([a_pod(gpus=4)], [a_lease()], some_nodes("n1", devices=devices), Terms(), NOW)
    wait = paired["uid-p"]
    assert isinstance(wait, Wait)
    assert wait.code == Code.NO_RESOURCE
    has = dict(devices).get(GPU, 0)
    assert wait.detail.startswith(f"4 {GPU} are on no node of lease lea_a in the cluster (n1 has {has}):")


def test_a_node_that_has_the_resource_is_taken_before_one_that_leaves_less() -> None:
    nodes = {**some_nodes("n1", devices=()), **some_nodes("n2")}
    paired = pair([a_pod(gpus=4)], [a_lease(placement={"n1": 4, "n2": 8})], nodes, Terms(), NOW)
    assert _said(paired["uid-p"]) == "lea_a n2"


def test_a_pod_goes_to_the_node_that_leaves_least_beside_it() -> None:
    lease = a_lease(placement={"n1": 8, "n2": 4, "n3": 2})
    assert answer([a_pod(gpus=3)], lease) == {"p": "lea_a n2"}


def test_what_runs_takes_room_and_what_is_over_does_not() -> None:
    there = [
        a_placed_pod("a", 4),
        a_placed_pod("b", 4, phase="Succeeded"),
        a_placed_pod("c", 2, node=None, hostname="n1"),
    ]
    assert answer([*there, a_pod(gpus=2)], a_lease()) == {"p": "lea_a n1"}
    assert answer([*there, a_pod(gpus=3)], a_lease()) == {"p": "full"}


def test_what_is_being_deleted_takes_room_until_it_is_gone() -> None:
    assert answer([a_placed_pod("a", 8, deleted_at=510.0), a_pod()], a_lease()) == {"p": "full"}


def test_the_oldest_pods_come_first() -> None:
    pods = [a_pod("late", 8, created_at=20), a_pod("early", 8, created_at=10)]
    assert answer(pods, a_lease()) == {"early": "lea_a n1", "late": "full"}


def test_whose_gate_is_being_opened_keeps_its_seat_whoever_came_since() -> None:
    """The pods of a Job are made in one second and seen one after the other, in any order."""
    pods = [a_pod("b", 8, created_at=10), a_pod("a", 8, created_at=10)]
    begun = {"uid-b": ("lea_a", "n1")}
    assert answer(pods, a_lease(placement={"n1": 8, "n2": 8}), begun=begun) == {"b": "lea_a n1", "a": "lea_a n2"}
    assert answer(pods, a_lease(), begun=begun) == {"b": "lea_a n1", "a": "full"}


def test_a_seat_that_is_no_good_any_more_is_still_counted_until_it_is_known_what_became_of_it() -> None:
    begun, small = {"uid-b": ("lea_a", "n1")}, a_lease(placement={"n1": 4, "n2": 4})
    assert answer([a_pod("b", 8), a_pod("a", 4)], small, begun=begun) == {"b": "never_fits", "a": "lea_a n2"}
    assert answer([a_pod("b", 4)], a_lease(stops_at=510), begun=begun) == {"b": "ending"}
    assert answer([a_pod("b", 4)], begun=begun) == {"b": "no_lease"}


def test_a_gate_that_was_opened_meanwhile_is_counted_once() -> None:
    begun = {"uid-b": ("lea_a", "n1")}
    assert answer([a_placed_pod("b", 4), a_pod("a", 4)], a_lease(), begun=begun) == {"a": "lea_a n1"}


def test_what_was_asked_for_all_at_once_starts_together() -> None:
    gang = a_lease(placement={"n1": 8, "n2": 8}, all_at_once=True)
    first, second = a_pod("a", 8), a_pod("b", 8)
    assert answer([first], gang) == {"a": "waits_for_all"}
    assert answer([first, second], gang) == {"a": "lea_a n1", "b": "lea_a n2"}


def test_one_of_a_gang_that_cannot_be_let_in_keeps_all_waiting() -> None:
    gang = a_lease(placement={"n1": 8, "n2": 8}, all_at_once=True)
    pods = [a_pod("a", 8), a_pod("b", 8, grace_s=600)]
    assert answer(pods, gang) == {"a": "waits_for_all", "b": "grace_too_long"}


def test_one_of_a_gang_that_is_made_again_joins_those_that_run() -> None:
    gang = a_lease(placement={"n1": 8, "n2": 8}, all_at_once=True)
    assert answer([a_placed_pod("a", 8), a_placed_pod("b", 8, node="n2", phase="Failed"), a_pod("c", 8)], gang) == {
        "c": "lea_a n2"
    }


def test_one_of_a_gang_that_is_made_again_does_not_wait_for_those_that_are_done() -> None:
    gang = a_lease(placement={"n1": 8, "n2": 8}, all_at_once=True)
    done, failed = a_placed_pod("a", 8, phase="Succeeded"), a_placed_pod("b", 8, node="n2", phase="Failed")
    assert answer([done, failed, a_pod("c", 8)], gang) == {"c": "lea_a n1"}


def test_a_gang_whose_lease_gave_back_a_node_is_not_held_by_what_still_runs_there() -> None:
    gang = a_lease(placement={"n1": 4, "n2": 4}, all_at_once=True)
    assert answer([a_placed_pod("a", 8), a_pod("b", 4)], gang) == {"b": "lea_a n2"}


def test_the_large_ones_of_a_gang_are_seated_first_so_that_the_small_fit_beside_them() -> None:
    gang = a_lease(placement={"n1": 4, "n2": 4}, all_at_once=True)
    sizes = {"a": 2, "b": 1, "c": 3, "d": 2}
    pods = [a_pod(name, gpus, wish="lea_a", created_at=k) for k, (name, gpus) in enumerate(sizes.items())]
    assert answer(pods, gang) == {"a": "lea_a n2", "b": "lea_a n1", "c": "lea_a n1", "d": "lea_a n2"}


def test_what_a_gang_is_told_is_the_same_while_its_pods_come() -> None:
    gang, pods = a_lease(placement={"n1": 8, "n2": 8}, all_at_once=True), [a_pod("a", 4), a_pod("b", 4)]
    told = [pair(pods[:count], [gang], some_nodes(), Terms(), NOW)["uid-a"] for count in (1, 2)]
    assert told[0] == told[1]


def test_an_opened_pod_sits_where_it_is_or_where_its_selector_says() -> None:
    nodes = some_nodes("n1").values()
    assert sits(a_placed_pod(node="n2"), nodes) == "n2"
    assert sits(a_placed_pod(node=None, hostname="n1"), nodes) == "n1"
    assert sits(a_placed_pod(node=None, hostname="gone"), nodes) == "gone"


def test_nobody_is_let_in_to_a_node_that_is_cordoned() -> None:
    cordoned = replace(some_nodes("n1")["n1"], taints=("node.kubernetes.io/unschedulable",))
    found = pair([a_pod()], [a_lease()], {"n1": cordoned}, Terms(), NOW)["uid-p"]
    assert isinstance(found, Wait)
    assert (found.code, found.detail.endswith("is not ready in the cluster, or cordoned")) == (Code.NODE_AWAY, True)
