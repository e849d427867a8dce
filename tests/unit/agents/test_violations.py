"""Whom no lease explains, out of one sample and what was found before it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.allocations import Held
from agents.snapshot import GpuSnapshot, Holder, Process, Sample, Violation
from agents.violations.finding import CLEANING_S, MOST, SLACK_BYTES, find, suspected
from tests.unit.agents.builders import GIB, a_gpu, a_sample, allocations, an_allocation

PID = 4321
WALL = a_sample().wall


def busy(*pids: int, uuid: str = "GPU-a", **more: Any) -> GpuSnapshot:
    pids = pids or (PID,)
    seen = tuple(Process(pid=pid, name="python", pod=more.get("pod")) for pid in pids)
    return a_gpu(uuid, processes=len(seen), seen=seen)


def a_holder(namespace: str = "dure-co-acme", gpu: str = "GPU-a", pod: str = "train") -> Holder:
    return Holder(gpu=gpu, namespace=namespace, pod=pod, container="main", resource="nvidia.com/gpu")


def knowing(*items: Held, gpus: tuple[GpuSnapshot, ...] = (), at: float = 1000.0, **more: Any) -> Sample:
    return replace(a_sample(*gpus, at=at, knowing=allocations(*items)), **more)


def who(found: tuple[Violation, ...]) -> list[tuple[str, str, int | str | None]]:
    return [(one.gpu, one.kind, one.pid or one.pod) for one in found]


A_PROCESS = ("GPU-a", "process", PID)
A_POD = ("GPU-a", "pod", "train")


@pytest.mark.parametrize(
    ("sample", "want"),
    [
        pytest.param(knowing(gpus=(busy(),)), [A_PROCESS], id="a process on a GPU without a lease"),
        pytest.param(knowing(an_allocation(), gpus=(busy(),)), [], id="a process of a running lease"),
        pytest.param(
            knowing(an_allocation(gpu="GPU-b"), gpus=(busy(),)), [A_PROCESS], id="a process beside the lease's GPU"
        ),
        pytest.param(
            knowing(an_allocation(starts=1000.5), gpus=(busy(),)), [A_PROCESS], id="a process before its lease"
        ),
        pytest.param(
            knowing(an_allocation(stops=1000 - CLEANING_S + 1, starts=0, ended=True), gpus=(busy(),)),
            [],
            id="a process left over, while it is cleaned up",
        ),
        pytest.param(
            knowing(an_allocation(stops=1000 - CLEANING_S, starts=0, ended=True), gpus=(busy(),)),
            [A_PROCESS],
            id="a process left over for too long",
        ),
        pytest.param(
            knowing(an_allocation(stops=1000 - CLEANING_S, starts=0), gpus=(busy(),)),
            [A_PROCESS],
            id="a process past its lease's end, of which the agent was not told",
        ),
        pytest.param(
            knowing(an_allocation(), gpus=(busy(),), holders=(a_holder(),)),
            [A_PROCESS],
            id="a process of the host beside the lease's pod",
        ),
        pytest.param(
            knowing(an_allocation(), gpus=(busy(pod="uid-1"),), holders=(a_holder(),)),
            [],
            id="a process in a pod on the lease's GPU that a pod has",
        ),
        pytest.param(
            knowing(an_allocation(), gpus=(busy(pod="uid-1"),), holders=(a_holder(gpu="GPU-b"),)),
            [A_PROCESS],
            id="a process in a pod on a leased GPU that no pod has",
        ),
        pytest.param(
            knowing(an_allocation(stops=1000 - CLEANING_S + 1, starts=0), gpus=(busy(),), holders=()),
            [],
            id="a process left over by a pod that is gone, while it is cleaned up",
        ),
        pytest.param(knowing(gpus=(a_gpu(processes=None),)), [], id="a GPU whose processes nobody asked for"),
        pytest.param(knowing(gpus=(a_gpu(processes=0),)), [], id="an empty GPU"),
        pytest.param(knowing(an_allocation(), holders=(a_holder(),)), [], id="a pod of the lease's company"),
        pytest.param(
            knowing(an_allocation(), holders=(a_holder("dure-co-globex"),)), [A_POD], id="a pod of another company"
        ),
        pytest.param(
            knowing(an_allocation(), holders=(a_holder("kube-system"),)), [A_POD], id="a pod of no company's namespace"
        ),
        pytest.param(knowing(holders=(a_holder(),)), [A_POD], id="a pod on a GPU without a lease"),
        pytest.param(
            knowing(an_allocation(stops=980, starts=0, ended=True), holders=(a_holder(),)),
            [],
            id="a pod that is ending with its lease",
        ),
        pytest.param(
            knowing(an_allocation(stops=980, starts=0, ended=True), holders=(a_holder("dure-co-globex"),)),
            [A_POD],
            id="another's pod after a lease",
        ),
        pytest.param(knowing(holders=(a_holder(gpu="GPU-elsewhere"),)), [], id="a pod on a GPU that is not seen"),
        pytest.param(knowing(holders=None), [], id="a kubelet that cannot be asked"),
        pytest.param(knowing(gpus=(busy(),), holders=(a_holder(),)), [A_POD, A_PROCESS], id="a pod and its process"),
    ],
)
def test_whom_a_lease_explains_and_whom_none_does(sample: Sample, want: list[tuple[str, str, int]]) -> None:
    assert who(find(sample)) == want


def test_where_processes_cannot_be_seen_nobody_is_a_violation_for_one() -> None:
    sample = knowing(gpus=(busy(),), holders=(a_holder("dure-co-globex"),))
    blind = replace(sample, snapshot=replace(sample.snapshot, sees_processes=False))
    assert who(find(blind, find(sample))) == [A_POD]
    assert suspected(blind, {}) == frozenset()


def test_the_same_violation_keeps_its_beginning() -> None:
    first = find(knowing(gpus=(busy(),), holders=(a_holder(),)))
    later = find(knowing(gpus=(busy(PID, 77),), holders=(a_holder(), a_holder(pod="other")), at=1050), first)
    assert {one.pid or one.pod: one.since for one in later} == {
        PID: WALL,
        "train": WALL,
        77: WALL + 50,
        "other": WALL + 50,
    }


def test_of_whom_nothing_was_asked_this_time_is_there_still() -> None:
    first = find(knowing(gpus=(busy(),), holders=(a_holder(),)))
    assert find(knowing(gpus=(a_gpu(processes=None),), holders=None, at=1001), first) == first


def test_a_process_of_the_host_on_a_leased_gpu_is_there_until_it_is_asked_for_again() -> None:
    pod, host = Process(pid=77, pod="uid-1"), Process(pid=PID)
    early = find(knowing(gpus=(a_gpu(processes=2, seen=(pod, host)),)))
    assert len(early) == 2
    later = knowing(an_allocation(), gpus=(a_gpu(processes=None),), holders=(a_holder(),))
    assert who(find(later, early)) == [A_PROCESS], "the pod's own is explained by now"
    assert find(replace(later, snapshot=replace(later.snapshot, gpus=(a_gpu(processes=0),))), early) == ()


def test_what_was_asked_for_and_is_not_there_is_over() -> None:
    first = find(knowing(gpus=(busy(),), holders=(a_holder(),)))
    assert find(knowing(gpus=(a_gpu(processes=0),), holders=(), at=1001), first) == ()


def test_a_lease_that_is_heard_of_explains_what_was_not_asked_for_again() -> None:
    first = find(knowing(gpus=(busy(),), holders=(a_holder(),)))
    assert find(knowing(an_allocation(), gpus=(a_gpu(processes=None),), holders=None), first) == ()


def test_what_the_agent_itself_runs_to_clean_a_gpu_is_no_violation() -> None:
    sample = knowing(an_allocation(starts=0, stops=900, ended=True), gpus=(busy(PID, 77),))
    assert who(find(sample, owns=lambda pid: pid == PID)) == [("GPU-a", "process", 77)]


def test_a_gpu_that_is_gone_takes_its_violations_with_it() -> None:
    first = find(knowing(gpus=(busy(),), holders=(a_holder(),)))
    assert find(knowing(gpus=(a_gpu("GPU-b", processes=0),), holders=None), first) == ()


def test_a_process_of_a_pod_is_told_with_the_pod_if_it_can_be_no_other() -> None:
    inside = busy(pod="uid-1")
    (found,) = [one for one in find(knowing(gpus=(inside,), holders=(a_holder(),))) if one.kind == "process"]
    assert (found.namespace, found.pod, found.pod_uid) == ("dure-co-acme", "train", "uid-1")
    shared = find(knowing(gpus=(inside,), holders=(a_holder(), a_holder(pod="other"))))
    assert [one.pod for one in shared if one.kind == "process"] == [None]
    (of_the_host,) = [one for one in find(knowing(gpus=(busy(),), holders=(a_holder(),))) if one.kind == "process"]
    assert of_the_host.pod is None


def test_what_is_told_fits_into_a_report() -> None:
    long = Process(pid=1, name="x" * 300, cgroup="/" * 2000, container="c" * 300, pod="p" * 300)
    many = tuple(Process(pid=pid) for pid in range(2, 500))
    found = find(knowing(gpus=(a_gpu(processes=499, seen=(long, *many)),)))
    assert len(found) == MOST
    assert (len(found[0].name or ""), len(found[0].cgroup or ""), len(found[0].container or "")) == (200, 1000, 200)


IDLE = {"GPU-a": GIB}


@pytest.mark.parametrize(
    ("sample", "want"),
    [
        pytest.param(a_sample(a_gpu(utilization_percent=1, memory_used_bytes=0)), True, id="it works"),
        pytest.param(
            a_sample(a_gpu(utilization_percent=0, memory_used_bytes=GIB + SLACK_BYTES + 1)), True, id="memory is in use"
        ),
        pytest.param(
            a_sample(a_gpu(utilization_percent=0, memory_used_bytes=GIB + SLACK_BYTES)), False, id="as when it is empty"
        ),
        pytest.param(
            a_sample(a_gpu(utilization_percent=None, memory_used_bytes=None)), False, id="neither can be read"
        ),
        pytest.param(knowing(an_allocation(), gpus=(a_gpu(utilization_percent=99),)), False, id="a lease runs there"),
        pytest.param(
            knowing(
                replace(an_allocation(stops=900, starts=0, ended=True), empty_memory_bytes=0),
                gpus=(a_gpu(utilization_percent=0, memory_used_bytes=SLACK_BYTES + 1),),
            ),
            True,
            id="more than its pool calls empty",
        ),
    ],
)
def test_a_gpu_is_suspected_if_somebody_seems_to_be_there_and_no_lease_runs(sample: Sample, want: bool) -> None:
    assert suspected(sample, IDLE) == ({"GPU-a"} if want else frozenset())


@pytest.mark.parametrize(
    ("gpu", "want"),
    [
        pytest.param(a_gpu(utilization_percent=0, processes=None), True, id="nobody looked yet"),
        pytest.param(a_gpu(utilization_percent=0, processes=None, lost="lost"), False, id="it does not answer"),
        pytest.param(
            a_gpu(utilization_percent=0, processes=None, absent={"processes": "no_permission"}),
            False,
            id="it cannot be asked",
        ),
        pytest.param(a_gpu(utilization_percent=0, processes=1), False, id="it was asked"),
    ],
)
def test_a_gpu_that_nobody_saw_empty_yet_is_looked_at(gpu: GpuSnapshot, want: bool) -> None:
    assert suspected(a_sample(gpu), {}) == ({"GPU-a"} if want else frozenset())


GPUS = st.sampled_from(["GPU-a", "GPU-b", "GPU-c"])
COMPANIES = st.sampled_from(["acme", "globex"])
HELD = st.builds(
    lambda gpu, company, starts, length: an_allocation(gpu=gpu, company=company, starts=starts, stops=starts + length),
    GPUS,
    COMPANIES,
    st.integers(900, 1100),
    st.integers(1, 200),
)
HOLDERS = st.builds(lambda gpu, company: a_holder(f"dure-co-{company}", gpu), GPUS, COMPANIES)


@given(st.lists(HELD, max_size=5), st.none() | st.lists(HOLDERS, max_size=5), st.sets(GPUS), st.integers(900, 1300))
def test_nobody_whom_a_running_lease_explains_is_ever_a_violation(
    held: list[Held], holders: list[Holder] | None, busies: set[str], at: int
) -> None:
    gpus = tuple(
        busy(uuid=uuid, pod="uid-1") if uuid in busies else a_gpu(uuid, processes=0)
        for uuid in ("GPU-a", "GPU-b", "GPU-c")
    )
    sample = knowing(*held, gpus=gpus, at=at, holders=None if holders is None else tuple(holders))
    running: dict[str, set[str]] = {}
    now = sample.allocations.server_time(at)
    for one in held:
        if one.starts_at <= now < one.stops_at:
            running.setdefault(one.gpu, set()).add(f"dure-co-{one.company}")
    by_kubelet = set(running) if holders is None else {one.gpu for one in holders}
    found = find(sample)
    assert find(sample, found) == found, "the same sample again changes nothing"
    for one in found:
        assert one.kind == "pod" or one.gpu not in running or one.gpu not in by_kubelet
        assert one.kind == "process" or one.namespace not in running.get(one.gpu, set())
    covered = {item.gpu for item in held if item.starts_at <= now < item.stops_at + CLEANING_S}
    covered -= running.keys() - by_kubelet
    assert busies - covered == {one.gpu for one in found if one.kind == "process"}
