"""What the demo makes of the pods that kubectl showed it: a story, and what is wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.demo.seen import Judged, Seen
from dure import kube, wire

T0 = datetime(2026, 11, 24, 9, tzinfo=UTC)
DECISION = {"id": "dec_1", "at": T0, "outcome": "scheduled", "code": "-", "detail": "-", "numbers": {}, "policy_version": "1"}  # fmt: skip


def _at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def lease(**changes: Any) -> wire.Lease:
    """Ran from 0 to 20 s on one GPU of node-1."""
    fields: dict[str, Any] = {
        "id": "lea_1", "company": "acme", "pool": "h100", "name": None, "shape": {"gpus": 1}, "duration_s": 20,
        "tier": "reserved", "purpose": "training", "state": "ended", "asked_at": T0, "start": None, "start_by": None,
        "promised_start": T0, "starts_at": T0, "ends_at": _at(20), "stops_at": _at(20), "started_at": T0,
        "ended_at": _at(20), "end_cause": "expired", "late_start_s": 0, "late_cause": None, "placement": [],
        "gpus": [{"uuid": "GPU-1", "node": "node-1", "proved_empty_at": None}], "decision": DECISION,
    }  # fmt: skip
    return wire.Lease.model_validate(fields | changes)


def pod(
    uid: str = "1",
    *,
    gated: bool = False,
    ending: bool = False,
    made: float = -60,
    began: float = 0,
    node: str = "node-1",
    placed: str | None = "lea_1",
) -> dict[str, Any]:
    labels = {kube.LEASE_LABEL: "lea_1"} | ({kube.PLACEMENT_LABEL: placed} if placed and not gated else {})
    metadata = {"uid": uid, "name": f"train-{uid}", "namespace": "dure-co-acme", "labels": labels}
    metadata["creationTimestamp"] = _at(made).isoformat()
    if ending:
        metadata["deletionTimestamp"] = _at(20).isoformat()
    if gated:
        return {
            "metadata": metadata,
            "spec": {"schedulingGates": [{"name": kube.GATE}]},
            "status": {"phase": "Pending"},
        }
    status = {"phase": "Running", "startTime": _at(began).strftime("%Y-%m-%dT%H:%M:%SZ")}
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": status}


def test_pods_are_told_of_when_they_wait_when_they_run_and_when_they_are_gone() -> None:
    seen = Seen()
    looks = [[pod("1", gated=True), pod("2", gated=True)], [pod("1"), pod("2", node="node-2")], [], []]
    told = [seen.look(pods, _at(second)) for second, pods in enumerate(looks)]
    assert told == [
        ["  Kubernetes: 2 pods of lea_1 wait at the gate"],
        ["  Kubernetes: 2 pods of lea_1 run on node-1, node-2"],
        ["  Kubernetes: 2 pods of lea_1 end on node-1, node-2"],
        [],
    ]


def test_many_leases_at_once_are_told_of_in_one_sentence() -> None:
    pods = [pod(str(at), placed=f"lea_{at}", node=f"node-{at}") for at in range(3)]
    assert Seen().look(pods, T0) == ["  Kubernetes: 3 pods of 3 leases run on node-0, node-1, node-2"]


def test_what_was_told_is_not_told_again() -> None:
    seen = Seen()
    assert seen.look([pod(gated=True)], _at(0)) == ["  Kubernetes: 1 pod of lea_1 waits at the gate"]
    assert seen.look([pod(gated=True)], _at(1)) == []


def _judged(pods: list[dict[str, Any]], asked_at: float, lease: wire.Lease, *, then_gone: bool = True) -> Judged:
    seen = Seen()
    seen.look(pods, _at(asked_at))
    if then_gone:
        seen.look([], _at(asked_at + 1))
    return seen.judged({lease.id: lease})


def test_a_pod_that_kept_to_its_lease_is_not_wrong() -> None:
    assert _judged([pod(began=0)], 19.5, lease()) == Judged(starts_s=[0])


def test_a_pod_that_is_being_ended_may_be_shown_a_moment_longer() -> None:
    assert _judged([pod(ending=True)], 23, lease()) == Judged(starts_s=[0])


def test_the_whole_seconds_of_kubernetes_are_not_taken_for_an_early_start() -> None:
    assert _judged([pod(began=-1)], 10, lease()).wrong == []


@pytest.mark.parametrize(
    ("pod", "asked_at", "lease", "want"),
    [
        pytest.param(pod(began=-2), 10, lease(), "ran before lea_1 started", id="early"),
        pytest.param(pod(), 10, lease(started_at=None, stops_at=None), "ran before lea_1 started", id="never started"),
        pytest.param(pod(), 21.5, lease(), "ran after lea_1 ended", id="late"),
        pytest.param(pod(), 8, lease(stops_at=_at(6)), "ran after lea_1 ended", id="late after a release"),
        pytest.param(pod(node="node-2"), 10, lease(), "ran on node-2, where lea_1 has no GPU", id="another node"),
        pytest.param(pod(placed=None), 10, lease(started_at=None), "ran on no lease", id="no lease"),
        pytest.param(pod(placed="lea_2"), 10, lease(started_at=None), "ran on no lease", id="another's lease"),
    ],
)
def test_a_pod_outside_of_its_lease_is_named(
    pod: dict[str, Any], asked_at: float, lease: wire.Lease, want: str
) -> None:
    assert _judged([pod], asked_at, lease).wrong == [f"pod dure-co-acme/train-1 {want}"]


def test_a_pod_that_is_left_is_named() -> None:
    assert _judged([pod()], 19, lease(), then_gone=False).wrong == ["1 pod still runs"]


@pytest.mark.parametrize(
    ("pod", "asked_at", "lease"),
    [
        pytest.param(pod(ending=True), 25, lease(), id="told to end in time"),
        pytest.param(pod(), 25, lease(end_cause="released"), id="of a lease that somebody released"),
    ],
)
def test_a_pod_that_its_node_is_late_to_end_is_late_and_not_outside_of_its_lease(
    pod: dict[str, Any], asked_at: float, lease: wire.Lease
) -> None:
    found = _judged([pod], asked_at, lease)
    assert (found.wrong, found.lingered) == ([], ["pod dure-co-acme/train-1 was not gone 5 s after lea_1 ended"])


def test_a_long_lease_of_which_no_pod_was_seen_is_named_and_late_alone() -> None:
    said = "lea_1 ran for 20 s and no pod of it was seen running, nor waiting"
    assert Seen().judged({"lea_1": lease()}) == Judged(unseen=[said])


def test_of_one_whose_pods_waited_until_its_end_that_is_said() -> None:
    said = "lea_1 ran for 20 s and no pod of it was seen running, but waiting at the gate"
    assert _judged([pod(gated=True)], 5, lease()) == Judged(unseen=[said])


def test_a_short_lease_may_pass_between_two_looks() -> None:
    assert Seen().judged({"lea_1": lease(stops_at=_at(9))}) == Judged()


def test_how_late_a_pod_ran_counts_from_its_lease_s_start_and_from_its_own_making() -> None:
    pods = [pod("1", began=3), pod("2", made=4, began=6)]
    assert _judged(pods, 10, lease()).starts_s == [3, 2]
