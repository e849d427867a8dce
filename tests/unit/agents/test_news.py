from dataclasses import replace

import pytest

from agents.reporting import news
from agents.snapshot import Holder, Sample, Violation
from tests.unit.agents.builders import GIB, a_gpu, a_sample, allocations, an_allocation

ENDED = allocations(an_allocation(ended=True))
HOLDER = Holder(gpu="GPU-a", namespace="acme", pod="train-0", container="main", resource="nvidia.com/gpu")
VIOLATION = Violation(gpu="GPU-a", kind="process", since=1.8e9, pid=4711)
EMPTY = a_gpu(processes=0, memory_used_bytes=0)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        pytest.param(a_sample(), a_sample(a_gpu(health="suspect")), id="health"),
        pytest.param(a_sample(), a_sample(a_gpu(), a_gpu("GPU-b")), id="a device more"),
        pytest.param(a_sample(), replace(a_sample(), holders=(HOLDER,)), id="a holder"),
        pytest.param(replace(a_sample(), holders=()), a_sample(), id="the kubelet cannot be asked any more"),
        pytest.param(a_sample(), replace(a_sample(), violations=(VIOLATION,)), id="a violation"),
        pytest.param(a_sample(knowing=ENDED), a_sample(EMPTY, knowing=ENDED), id="a GPU seen empty after its lease"),
        pytest.param(
            a_sample(a_gpu(processes=0, memory_used_bytes=4 * GIB), knowing=ENDED),
            a_sample(EMPTY, knowing=ENDED),
            id="its memory that falls",
        ),
        pytest.param(
            replace(a_sample(EMPTY, knowing=ENDED), unproved={"all_1": "it is being scrubbed"}),
            a_sample(EMPTY, knowing=ENDED),
            id="a scrub that is done",
        ),
    ],
)
def test_this_is_told_at_once(before: Sample, now: Sample) -> None:
    assert news.of(before) != news.of(now)


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(a_sample(a_gpu(utilization_percent=99, energy_millijoules=7)), id="load"),
        pytest.param(a_sample(a_gpu(memory_used_bytes=0)), id="memory of a GPU in use"),
        pytest.param(a_sample(at=2000.0), id="time"),
    ],
)
def test_this_waits_for_the_next_regular_report(now: Sample) -> None:
    assert news.of(a_sample()) == news.of(now)


def test_processes_that_were_not_asked_for_are_as_they_were_last_seen() -> None:
    first = news.counts(a_sample(a_gpu(processes=2)), {})
    second = news.counts(a_sample(a_gpu(processes=None)), first)
    third = news.counts(a_sample(a_gpu(processes=1)), second)

    assert (first, second, third) == ({"GPU-a": 2}, {"GPU-a": 2}, {"GPU-a": 1})
    assert news.counts(a_sample(a_gpu("GPU-b", processes=None)), third) == {}
