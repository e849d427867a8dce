"""The end of pods: what is due, when, and that it is asked for once."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.kube.actions import Action, Delete, Follow, Keep, Patch, Tell
from scheduler.kube.desired import LeaseNow, Left, Offender, Terms
from scheduler.kube.ending import COUNTED_BY, COUNTED_S, Context, ahead, ends, frees, instants
from scheduler.kube.observed import Lines, Pod, Seen
from tests.unit.scheduler.kube.builders import (
    CUT_AT,
    GPU,
    a_json_pod,
    a_lease,
    a_placed_pod,
    a_pod,
    of_kind,
    patched,
    some_nodes,
)

END = "1970-01-01T00:16:40Z"
DEADLINE_S = CUT_AT - 200 - 30
"""Of a pod that runs since 200 and has a grace of its own of 30 s."""
LATE_S = CUT_AT - 601 - 30
"""Of one that may begin as late as 601."""
FOLLOWED_AT = CUT_AT - 30 - 2
"""From when on the lines of the first are followed."""
KEPT = {("uid-p", "main"): Lines.KEPT}
LONG_GONE: dict[str, Any] = {"deleted_at": 900.0, "deletion_grace_s": 1}


def due(pod: Pod, now: float, *leases: LeaseNow, beside: tuple[Pod, ...] = (), **nodes: bool) -> list[Action]:
    seen = Seen(pods=(*beside, pod), lines=KEPT)
    held = {one.id: one for one in leases or (a_lease(),) if one.holds}
    known = some_nodes(*nodes) if nodes else some_nodes()
    return list(ends(seen, Context(leases=held, nodes=known, terms=Terms(warning_s=200), now=now)))


def deletes(pod: Pod, now: float, *leases: LeaseNow, **more: Any) -> list[tuple[int, int | None]]:
    """Grace and the instant that it is for, of every DELETE of the pod."""
    found = of_kind(due(pod, now, *leases, **more), Delete)
    return [(one.grace_s, one.at) for one in found if one.uid == pod.uid]


def armed(pod: Pod, now: float, lease: LeaseNow | None = None) -> list[tuple[int, int | None]]:
    """Grace and instant of every DELETE of the pod that is decided ahead."""
    held = {one.id: one for one in (lease or a_lease(),)}
    context = Context(leases=held, nodes=some_nodes(), terms=Terms(), now=now)
    return [(one.grace_s, one.at) for one in ahead(Seen(pods=(pod,)), context)]


@pytest.mark.parametrize(
    ("now", "want"),
    [
        (969.99, []),
        (970.0, [(24, 970)]),
        (970.02, [(23, 970)]),
        (993.9, [(1, 970)]),
        (994.0, [(1, 994)]),
        (999.9, [(1, 994)]),
        (1000.0, [(1, 1000)]),
        (4000.0, [(1, 1000)]),
    ],
)
def test_a_pod_is_told_a_grace_before_hurried_a_margin_before_and_gone_at_the_end(
    now: float, want: list[tuple[int, int]]
) -> None:
    """What it is told first has to be over by the margin: its kubelet would not hear of a shorter grace any more."""
    assert deletes(a_placed_pod(ends_at=END), now) == want


@pytest.mark.parametrize(
    ("now", "want"),
    [
        (967.9, []),
        (968.0, [(24, 970)]),
        (969.99, [(24, 970)]),
        (970.0, []),
        (992.0, [(1, 994)]),
        (998.0, [(1, 1000)]),
        (1000.0, []),
    ],
)
def test_each_end_is_decided_a_moment_ahead_with_its_own_grace(now: float, want: list[tuple[int, int]]) -> None:
    assert armed(a_placed_pod(ends_at=END), now) == want


@pytest.mark.parametrize(
    ("pod", "lease", "now"),
    [
        pytest.param(a_placed_pod(), a_lease(closes_at=None), 969.0, id="its lease may be extended until then"),
        pytest.param(a_placed_pod(), a_lease(closes_at=970), 969.0, id="extending has not closed"),
        pytest.param(a_placed_pod(lease="lea_x"), a_lease(), 969.0, id="no lease explains it: it ends now"),
        pytest.param(a_placed_pod(phase="Succeeded"), a_lease(), 969.0, id="it is over"),
        pytest.param(a_placed_pod(deleted_at=990.0, deletion_grace_s=25), a_lease(), 969.0, id="it ends before"),
        pytest.param(
            a_placed_pod(deleted_at=990.0, deletion_grace_s=1), a_lease(), CUT_AT - 1.0, id="it is cut already"
        ),
        pytest.param(a_pod(), a_lease(), 969.0, id="at the gate"),
        pytest.param(
            a_placed_pod(node="lost", **{**LONG_GONE, "finalizers": ()}),
            a_lease(),
            999.0,
            id="whether its node is gone is known then",
        ),
    ],
)
def test_nothing_is_decided_ahead_that_may_come_otherwise(pod: Pod, lease: LeaseNow, now: float) -> None:
    assert armed(pod, now, lease) == []


def test_a_lease_whose_grace_is_shorter_than_the_margin_is_told_at_its_own_instant() -> None:
    short = a_lease(grace_s=2)
    assert deletes(a_placed_pod(), 997.9, short) == []
    assert deletes(a_placed_pod(), 998.0, short) == [(1, 998)]


@pytest.mark.parametrize(
    ("deleted", "now", "want"),
    [
        pytest.param((CUT_AT, CUT_AT - 970), 980.0, [], id="told already"),
        pytest.param((900.0, 30), 980.0, [], id="its maker deleted it"),
        pytest.param((5000.0, 5000), 980.0, [(CUT_AT - 980, 970)], id="its maker deleted it with a grace past the end"),
        pytest.param((CUT_AT, CUT_AT - 970), CUT_AT + 1.0, [(1, CUT_AT)], id="told, and still there"),
        pytest.param(
            (930.0, 30), CUT_AT + 1.0, [(1, CUT_AT)], id="a grace cut short counts from the first, and is over by that"
        ),
        pytest.param((971.0, 1), CUT_AT + 1.0, [], id="hurried already"),
        pytest.param((950.0, 900), 1000.0, [(1, 1000)], id="cut to what is still too long"),
        pytest.param((971.0, 1), 1000.0, [], id="hurried, and its end is here"),
        pytest.param((970.0, 0), 1000.0, [], id="forced, and something holds it"),
    ],
)
def test_what_is_being_deleted_is_hurried_only_where_that_helps(
    deleted: tuple[float, int], now: float, want: list[tuple[int, int]]
) -> None:
    pod = a_placed_pod(deleted_at=deleted[0], deletion_grace_s=deleted[1])
    assert deletes(pod, now) == want


@pytest.mark.parametrize("now", [980.0, CUT_AT + 1.0, 1001.0])
def test_what_is_over_of_itself_stays_to_be_looked_at(now: float) -> None:
    assert due(a_placed_pod(phase="Succeeded"), now) == []


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_placed_pod(lease="lea_x"), id="of a lease that is over"),
        pytest.param(a_pod(gates=(), phase="Running", node="n1"), id="that nobody let in"),
        pytest.param(a_placed_pod(gpus=0), id="that has none of the lease's GPUs"),
    ],
)
def test_what_no_lease_explains_ends_at_once(pod: Pod) -> None:
    assert deletes(pod, 500.0) == [(1, None)]


def test_a_pod_that_also_has_another_kind_of_gpus_ends_at_once() -> None:
    mixed = replace(a_placed_pod(), gpus=((GPU, 1), ("nvidia.com/mig-1g.10gb", 1)))
    assert deletes(mixed, 500.0) == [(1, None)]


@pytest.mark.parametrize("pod", [a_pod(), a_pod(gates=(), gpus=0)], ids=["at the gate", "without GPUs"])
@pytest.mark.parametrize("now", [500.0, 1001.0])
def test_what_has_no_gpus_is_left_alone(pod: Pod, now: float) -> None:
    assert due(pod, now) == []


def test_the_newest_pods_of_a_lease_that_became_smaller_are_told_to_end() -> None:
    older, newer = a_placed_pod("old", 4, created_at=10), a_placed_pod(gpus=4, created_at=20)
    assert deletes(newer, 500.0, a_lease(placement={"n1": 4}), beside=(older,)) == [(30, None)]
    assert deletes(newer, 500.0, a_lease(), beside=(older,)) == []


def test_a_pod_on_a_gpu_that_was_given_back_is_told_to_end_and_no_newer_one_in_its_place() -> None:
    sick, well = a_placed_pod("old", 4, created_at=10), a_placed_pod(gpus=4, created_at=20)
    lease = a_lease(placement={"n1": 4, "n2": 4}, left=(Left(node="n1", pod="old", at=400),))
    assert deletes(sick, 500.0, lease, beside=(well,)) == [(30, None)]
    assert deletes(well, 500.0, lease, beside=(sick,)) == []


def test_a_pod_of_the_same_name_that_was_made_since_or_is_elsewhere_is_another() -> None:
    lease = a_lease(left=(Left(node="n1", pod="p", at=400),))
    assert deletes(a_placed_pod(created_at=401), 500.0, lease) == []
    lease = a_lease(placement={"n1": 4, "n2": 4}, left=(Left(node="n2", pod="p", at=400),))
    assert deletes(a_placed_pod(created_at=10), 500.0, lease) == []


def test_pods_on_a_node_that_was_given_back_are_told_to_end() -> None:
    assert deletes(a_placed_pod(node="n2"), 500.0) == [(30, None)]


def test_a_pod_that_was_told_so_ends_with_its_lease_at_the_latest() -> None:
    assert deletes(a_placed_pod(node="n2"), 968.0) == [(CUT_AT - 968, None)]
    pod = a_placed_pod(node="n2", deleted_at=990.0, deletion_grace_s=30)
    assert deletes(pod, 965.0) == []
    assert deletes(pod, CUT_AT + 1.0) == [(1, CUT_AT)]


def test_what_holds_a_pod_that_was_told_so_is_taken_away() -> None:
    pod = a_placed_pod(node="n2", deleted_at=531.0, deletion_grace_s=30, finalizers=("a/b",))
    assert deletes(pod, 500.0) == []
    assert deletes(pod, 532.5) == [(1, None)]
    hurried = a_placed_pod(node="n2", deleted_at=502.0, deletion_grace_s=1, finalizers=("a/b",))
    assert [one.what for one in of_kind(due(hurried, 532.6), Patch)] == ["finalizers"]


def test_finalizers_are_taken_away_once_the_time_is_up() -> None:
    pod = a_placed_pod(deleted_at=971.0, deletion_grace_s=1, finalizers=("a/b",))
    assert due(pod, 999.0) == []
    (patch,) = due(pod, 1000.0)
    assert isinstance(patch, Patch)
    found = patched(a_json_pod(version=99, meta={"finalizers": ["a/b", "c/d"]}), patch.operations)
    assert "finalizers" not in found["metadata"]


def test_a_pod_is_left_to_the_job_controller_to_be_counted_for_a_while() -> None:
    held = a_placed_pod(deleted_at=1000.0, deletion_grace_s=1, finalizers=("a/b", COUNTED_BY))
    (patch,) = due(held, 1002.0)
    assert isinstance(patch, Patch)
    found = patched(a_json_pod(version=99, meta={"finalizers": ["a/b", COUNTED_BY]}), patch.operations)
    assert found["metadata"]["finalizers"] == [COUNTED_BY]
    left = replace(held, finalizers=(COUNTED_BY,))
    assert due(left, 1002.0) == []
    assert max(frees(left)) == 1000 + COUNTED_S
    assert [one.what for one in of_kind(due(left, 1000.0 + COUNTED_S), Patch)] == ["finalizers"]


def test_the_while_counts_from_when_its_kubelet_says_that_it_was_over() -> None:
    """The API server put the instant of its deletion back as its grace was cut short."""
    held = a_placed_pod(deleted_at=880.0, deletion_grace_s=0, finalizers=(COUNTED_BY,), over_at=995.0, phase="Failed")
    assert of_kind(due(held, 1002.0), Patch) == []
    assert [one.what for one in of_kind(due(held, 995.0 + COUNTED_S), Patch)] == ["finalizers"]


def test_a_pod_is_forced_only_where_its_node_is_gone() -> None:
    pod = a_placed_pod(**LONG_GONE)
    assert deletes(pod, 1000.0) == []
    assert deletes(pod, 1000.0, n2=True) == [(0, 1000)]


def test_what_was_forced_is_not_forced_again_and_loses_its_finalizers() -> None:
    pod = a_placed_pod(deleted_at=900.0, deletion_grace_s=0, finalizers=("a/b",))
    assert [type(one) for one in due(pod, 1000.0, n2=True)] == [Patch]


def test_a_lost_node_is_proof_only_once_the_grace_is_over() -> None:
    pod = a_placed_pod(deleted_at=1001.0, deletion_grace_s=1)
    assert deletes(pod, 1002.4, n2=True) == []
    assert deletes(pod, 1002.5, n2=True) == [(0, 1000)]


def written(pod: Pod, now: float, *leases: LeaseNow) -> list[str]:
    return [one.what for one in of_kind(due(pod, now, *leases), Patch)]


def test_an_extension_is_written_on_the_pod() -> None:
    later = a_lease(stops_at=2000, closes_at=1900)
    assert written(a_placed_pod(), 500.0, later) == ["ends-at 1970-01-01T00:33:20Z"]
    assert written(a_placed_pod(ends_at="1970-01-01T00:33:20Z"), 500.0, later) == []


def test_a_warning_is_written_and_said_when_it_is_time() -> None:
    assert due(a_placed_pod(), 799.9) == []
    patch, told = due(a_placed_pod(), 800.0)
    assert isinstance(patch, Patch)
    assert patch.what == f"ending {END}"
    assert isinstance(told, Tell)
    assert (told.reason, told.warning) == ("LeaseEnding", True)
    assert f"Lease lea_a ends at {END}: SIGTERM comes 30 s before" in told.message


def test_a_warning_is_said_until_it_was_heard() -> None:
    """Whoever performs it knows what was told; that the annotation is there does not mean that the event is."""
    assert [type(one) for one in due(a_placed_pod(warned=END), 801.0)] == [Tell]


@pytest.mark.parametrize(
    ("pod", "want"),
    [
        pytest.param(a_placed_pod(), [f"deadline {DEADLINE_S}"], id="none yet"),
        pytest.param(a_placed_pod(deadline_s=900), [f"deadline {DEADLINE_S}"], id="a later one"),
        pytest.param(a_placed_pod(deadline_s=DEADLINE_S), [], id="the right one"),
        pytest.param(a_placed_pod(deadline_s=60), [], id="an earlier one"),
        pytest.param(
            a_placed_pod(started_at=None), [f"deadline {LATE_S}"], id="not begun: one that may be a little late"
        ),
        pytest.param(a_placed_pod(started_at=None, deadline_s=LATE_S), [], id="not begun, and it has one"),
        pytest.param(
            a_placed_pod(started_at=None, deadline_s=LATE_S + 15), [], id="not begun, and one that is nearly right"
        ),
        pytest.param(
            a_placed_pod(started_at=None, deadline_s=100_000),
            [f"deadline {LATE_S}"],
            id="not begun, and one of its maker's",
        ),
        pytest.param(a_placed_pod(deleted_at=1000.0, deletion_grace_s=500), [], id="being deleted"),
    ],
)
def test_once_extending_has_closed_the_kubelet_is_told_the_end(pod: Pod, want: list[str]) -> None:
    closed = a_lease(closes_at=600)
    assert written(pod, 600.5, closed) == want
    assert written(pod, 599.9, closed) == []


def test_what_is_written_goes_into_one_patch_whatever_version_it_is() -> None:
    (patch, _) = due(a_placed_pod(), 850.0, a_lease(closes_at=850))
    assert isinstance(patch, Patch)
    assert patch.what == f"ending {END}, deadline {DEADLINE_S}"
    found = patched(a_json_pod(version=99, meta={"annotations": {"a": "b"}}), patch.operations)
    assert found["metadata"]["annotations"] == {"a": "b", "dure.dev/ending": END}
    assert found["spec"]["activeDeadlineSeconds"] == DEADLINE_S


def test_annotations_are_not_made_over_those_that_another_made() -> None:
    (patch,) = due(a_placed_pod(has_annotations=False, ends_at=None), 500.0)
    assert isinstance(patch, Patch)
    assert {"op": "test", "path": "/metadata/resourceVersion", "value": "7"} in patch.operations


def read(pod: Pod, now: float, how: dict[tuple[str, str], Lines] | None = None, *, ready: bool = True) -> list[Action]:
    """What is read of its lines."""
    context = Context(leases={"lea_a": a_lease()}, nodes=some_nodes(ready=ready), terms=Terms(), now=now)
    found = ends(Seen(pods=(pod,), lines=how or {}), context)
    return [one for one in found if isinstance(one, (Follow, Keep))]


@pytest.mark.parametrize(
    ("pod", "now", "want"),
    [
        pytest.param(a_placed_pod(), FOLLOWED_AT - 0.1, [], id="its end is not near"),
        pytest.param(a_placed_pod(), FOLLOWED_AT, [1010 - FOLLOWED_AT], id="a moment before its deadline may come"),
        pytest.param(a_placed_pod(grace_s=10), 967.9, [], id="one with a shorter grace is told at the lease's instant"),
        pytest.param(a_placed_pod(grace_s=10), 968.0, [42.0], id="a moment before that"),
        pytest.param(a_placed_pod(deleted_at=995.0), 970.0, [35.0], id="its end has begun"),
        pytest.param(a_placed_pod(deleted_at=520.0), 500.0, [30.0], id="its maker ends it"),
        pytest.param(a_placed_pod(deleted_at=990.0), 999.5, [10.0], id="its kubelet is late"),
        pytest.param(a_placed_pod(lease="lea_x"), 500.0, [10.0], id="its lease is over"),
        pytest.param(a_placed_pod(phase="Failed"), 500.0, [None], id="it is over"),
        pytest.param(a_placed_pod(deleted_at=995.0, phase="Failed"), 971.0, [None], id="it is over before its end"),
        pytest.param(
            a_placed_pod(containers=("a", "b")), FOLLOWED_AT, [1010 - FOLLOWED_AT] * 2, id="each of its containers"
        ),
        pytest.param(
            a_placed_pod(containers=tuple("abcdefghijklmnopqrstuvwxyz")),
            FOLLOWED_AT,
            [1010 - FOLLOWED_AT] * 16,
            id="not any number",
        ),
        pytest.param(a_placed_pod(node=None), 995.0, [], id="it never was anywhere"),
        pytest.param(a_placed_pod(node="n9"), 995.0, [], id="its node is gone"),
        pytest.param(a_placed_pod(containers=()), 995.0, [], id="it has no containers"),
        pytest.param(a_pod(gates=(), node="n1"), 995.0, [], id="nobody let it in"),
    ],
)
def test_last_lines_are_followed_from_before_the_end_and_read_once_it_is_over(
    pod: Pod, now: float, want: list[float | None]
) -> None:
    """For how long they are followed; None where they are read at once."""
    assert [one.lasts_s if isinstance(one, Follow) else None for one in read(pod, now)] == want


@pytest.mark.parametrize(
    ("how", "running", "over"),
    [(Lines.FOLLOWED, [], []), (Lines.READ, [], [Keep]), (Lines.KEPT, [], [])],
)
def test_last_lines_are_read_again_only_where_there_may_be_more(
    how: Lines, running: list[type[Action]], over: list[type[Action]]
) -> None:
    known = {("uid-p", "main"): how}
    assert [type(one) for one in read(a_placed_pod(), 995.0, known)] == running
    assert [type(one) for one in read(a_placed_pod(phase="Failed"), 995.0, known)] == over


def test_a_node_that_is_not_ready_is_not_asked_for_lines() -> None:
    assert read(a_placed_pod(), 995.0, ready=False) == read(a_placed_pod(phase="Failed"), 995.0, ready=False) == []


def test_the_instants_of_a_pod_are_those_of_its_lease_and_of_its_own_end() -> None:
    terms = Terms(warning_s=200)
    open_for_ever = a_lease(closes_at=None)
    assert sorted(instants(a_placed_pod(), open_for_ever, terms)) == [800, 962, 970, 994, 1000]
    early_and_after = [968, 970.5, 992, 994.5, 998, 1000.5]
    assert sorted(instants(a_placed_pod(), a_lease(), terms)) == [800, 900, 962, *early_and_after]
    assert 969 in set(instants(a_placed_pod(), a_lease(closes_at=969), terms))
    assert 511.5 in set(instants(a_placed_pod(deleted_at=510.0), a_lease(closes_at=None), terms))


AN_OFFENDER = Offender(node="n1", pod="p", since=300, is_known=True)


def ended_as_offender(pod: Pod, *offenders: Offender, now: float = 600, lease: LeaseNow | None = None) -> list[int]:
    held = {} if lease is None else {lease.id: lease}
    context = Context(leases=held, nodes=some_nodes(), terms=Terms(warning_s=200), now=now, offenders=offenders)
    found = of_kind(list(ends(Seen(pods=(pod,), lines=KEPT), context)), Delete)
    return [one.grace_s for one in found]


def test_a_pod_on_a_gpu_that_no_lease_explains_ends_with_its_lease_s_grace() -> None:
    pod = a_placed_pod(node="n1", created_at=200.0)
    assert ended_as_offender(pod, lease=a_lease()) == []
    assert ended_as_offender(pod, AN_OFFENDER, lease=a_lease()) == [30]
    assert ended_as_offender(pod, AN_OFFENDER, lease=a_lease(), now=990.0) == [4], "never beyond its lease's end"


def test_a_pod_that_asks_for_no_gpu_and_is_on_one_ends_at_once() -> None:
    pod = a_pod(gates=(), gpus=0, node="n1", phase="Running", created_at=200.0)
    assert ended_as_offender(pod) == []
    assert ended_as_offender(pod, replace(AN_OFFENDER, is_known=False)) == [1], "it is never written down"


@pytest.mark.parametrize(
    ("found", "want"),
    [
        pytest.param(AN_OFFENDER, True, id="by node and name"),
        pytest.param(replace(AN_OFFENDER, uid="uid-p", since=0), True, id="by its uid, whenever it was made"),
        pytest.param(replace(AN_OFFENDER, uid="uid-other"), False, id="another of that name, by its uid"),
        pytest.param(replace(AN_OFFENDER, since=190), False, id="one that was made since"),
        pytest.param(replace(AN_OFFENDER, node="n2"), False, id="on another node"),
        pytest.param(replace(AN_OFFENDER, pod="other"), False, id="another pod"),
        pytest.param(
            replace(AN_OFFENDER, is_known=False), False, id="one of which it is not known which lease it is on"
        ),
    ],
)
def test_no_other_pod_is_taken_for_one_that_offends(found: Offender, want: bool) -> None:
    pod = a_placed_pod(node="n1", created_at=200.0)
    assert bool(ended_as_offender(pod, found, lease=a_lease())) == want
