"""EASY on nodes: that of processors where nodes do not matter, and nodes where they do."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.philly import easy
from bench.philly.easy import chosen
from bench.philly.shapes import shape
from bench.philly.trace import CompanyJob
from bench.replay import easy as processors
from tests.unit.bench.philly.asks import a_job


def starts(jobs: Sequence[CompanyJob], gpus: int = 16, *, quota: int | None = None, gap_s: int = 0) -> list[int]:
    return easy.schedule(jobs, gpus=gpus, quota=gpus if quota is None else quota, gap_s=gap_s)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30), st.integers(1, 3)), min_size=1, max_size=40),
    st.sampled_from([1, 8]),
)
def test_where_one_gpu_or_whole_nodes_are_asked_for_it_is_easy_on_processors(
    drawn: list[tuple[int, int, int]], unit: int
) -> None:
    jobs = [
        a_job(k, gpus=unit * (wide if unit == 8 else 1), submit=at, run_s=run)
        for k, (at, run, wide) in enumerate(sorted(drawn))
    ]
    want = processors.schedule(jobs, 24, [job.run_s for job in jobs])
    assert starts(jobs, 24) == want


def test_a_gang_waits_for_a_node_although_as_many_gpus_are_free() -> None:
    jobs = [a_job(0, gpus=5), a_job(1, gpus=5), a_job(2, gpus=6, run_s=60)]
    assert starts(jobs) == [0, 0, 600]


def test_who_has_ended_before_the_head_starts_goes_ahead_and_who_would_delay_it_does_not() -> None:
    jobs = [
        a_job(0, gpus=8, run_s=600),
        a_job(1, gpus=4, run_s=900),
        a_job(2, gpus=8, run_s=60),
        a_job(3, gpus=4, run_s=1200),
        a_job(4, gpus=4, run_s=500),
    ]
    # The head needs the first node at 600. Beside the second job a node has 4 GPUs that it does not need.
    assert starts(jobs) == [0, 0, 600, 0, 660]


def test_gpus_are_free_again_when_the_gap_is_over() -> None:
    assert starts([a_job(0, gpus=8), a_job(1, gpus=8)], 8, gap_s=30) == [0, 630]


def test_who_has_reached_its_quota_waits_and_holds_nobody_up() -> None:
    jobs = [a_job(0, gpus=8), a_job(1, gpus=8), a_job(2, gpus=8, company="b")]
    assert starts(jobs, quota=8) == [0, 600, 0]


def test_a_quota_comes_back_at_the_end_and_the_gpus_after_the_gap() -> None:
    jobs = [a_job(0, gpus=8), a_job(1, gpus=8)]
    assert starts(jobs, quota=8, gap_s=30) == [0, 600]


def test_the_fullest_nodes_that_hold_it_are_chosen() -> None:
    found = chosen(np.array([8, 3, 5, 8, 3]), 2, 3)
    assert found is not None
    assert found.tolist() == [1, 4]
    assert chosen(np.array([8, 3]), 2, 4) is None


@pytest.mark.parametrize(
    ("gpus", "want"), [(1, (1, 1)), (4, (1, 4)), (8, (1, 8)), (12, (2, 6)), (16, (2, 8)), (20, (4, 5)), (32, (4, 8))]
)
def test_an_ask_lies_on_as_few_nodes_as_hold_it_in_equal_parts(gpus: int, want: tuple[int, int]) -> None:
    found = shape(gpus)
    assert (found.nodes, found.gpus_per_node) == want
