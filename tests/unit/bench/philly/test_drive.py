"""The real core under the Philly asks: no promise broken, no GPU in two leases, no company over its quota."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.philly.cli import replay
from bench.philly.drive import NodesDrive
from bench.philly.trace import CompanyJob, Trace
from bench.replay.drive import FOR_EVER_S
from bench.replay.metrics import Outcome
from scheduler.core.model import Policy
from scheduler.core.rules import RULES
from tests.unit.bench.philly.asks import a_job

POLICY = Policy(version="test", horizon_s=FOR_EVER_S, gap_s=0)

a_drawn_job = st.tuples(
    st.integers(0, 30), st.integers(1, 20), st.sampled_from([1, 2, 4, 8, 12, 16]), st.sampled_from("abc")
)


def driven(jobs: Sequence[CompanyJob], *, gpus: int = 16, quota: int = 16, gap_s: int = 0) -> list[Outcome]:
    return NodesDrive.on(jobs, gpus=gpus, quota=quota, policy=replace(POLICY, gap_s=gap_s)).run()


def most_at_once(outcomes: Sequence[Outcome], gap_s: int) -> int:
    """GPUs held at once at the most, the gap after each lease with it."""
    edges = sorted(
        edge for one in outcomes for edge in ((one.end + gap_s, -one.job.processors), (one.start, one.job.processors))
    )
    held, most = 0, 0
    for _, change in edges:
        held += change
        most = max(most, held)
    return most


@given(st.lists(a_drawn_job, min_size=1, max_size=25), st.sampled_from([0, 2]), st.sampled_from(sorted(RULES)))
def test_no_promise_is_broken_and_nobody_holds_more_than_there_is(
    drawn: list[tuple[int, int, int, str]], gap_s: int, rule: str
) -> None:
    jobs = [
        a_job(k, gpus=gpus, submit=at * 60, run_s=run * 60, company=company)
        for k, (at, run, gpus, company) in enumerate(sorted(drawn))
    ]
    policy = replace(POLICY, gap_s=gap_s, rule=rule)
    found = NodesDrive.on(jobs, gpus=24, quota=16, policy=policy).run()
    assert [one.job for one in found] == jobs
    assert all(one.job.submit <= one.start <= one.promised <= one.first_promised for one in found)
    assert most_at_once(found, gap_s) <= 24
    for company in "abc":
        assert most_at_once([one for one, job in zip(found, jobs, strict=True) if job.company == company], 0) <= 16


def test_a_gang_waits_for_a_node_although_as_many_gpus_are_free() -> None:
    found = driven([a_job(0, gpus=5), a_job(1, gpus=5), a_job(2, gpus=6)])
    assert [one.start for one in found] == [0, 0, 600]


def test_a_company_waits_for_its_own_quota() -> None:
    found = driven([a_job(0, gpus=8), a_job(1, gpus=8), a_job(2, gpus=8, company="b")], quota=8)
    assert [one.start for one in found] == [0, 600, 0]


def test_what_waits_is_looked_at_again_when_a_gap_is_over() -> None:
    """The second may be promised its slack later, but starts as soon as the GPUs can be had."""
    found = driven([a_job(0, gpus=8), a_job(1, gpus=8, submit=1)], gpus=8, quota=8, gap_s=30)
    assert [one.start for one in found] == [0, 630]
    assert found[1].first_promised == 660


def test_what_never_fits_is_counted_and_the_others_are_replayed() -> None:
    trace = Trace(name="t", jobs=(a_job(0, gpus=32), a_job(1, gpus=1), a_job(2, gpus=12)))
    found = replay(trace, gpus=8, quota=8, policy=POLICY)
    assert [job.id for job in found.never_fit] == [0, 2]
    assert [one.job.id for one in found.outcomes] == [1]


@pytest.mark.parametrize("gap_s", [0, 30])
def test_ours_and_easys_start_alike_where_everything_fits(gap_s: int) -> None:
    trace = Trace(name="t", jobs=tuple(a_job(k, gpus=4, submit=60 * k) for k in range(4)))
    found = replay(trace, gpus=16, quota=16, policy=replace(POLICY, gap_s=gap_s))
    assert found.starts == list(found.easy_starts) == [0, 60, 120, 180]
