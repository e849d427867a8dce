"""EASY does what its paper says, and never uses more than there is."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.replay.easy import schedule
from bench.replay.swf import Job


def a_job(id: int, submit: int, run_s: int, processors: int) -> Job:
    return Job(id=id, submit=submit, run_s=run_s, asked_s=run_s, processors=processors)


def test_whoever_does_not_delay_the_head_of_the_queue_goes_ahead_of_it() -> None:
    jobs = [a_job(1, 0, 100, 6), a_job(2, 1, 100, 8), a_job(3, 2, 50, 4), a_job(4, 3, 200, 4), a_job(5, 4, 200, 2)]
    # 3 ends before 2 can start; 4 would still hold what 2 needs; 5 fits beside 2.
    assert schedule(jobs, 10, [job.run_s for job in jobs]) == [0, 100, 2, 200, 52]


def test_boxes_are_what_is_believed() -> None:
    jobs = [a_job(1, 0, 10, 10), a_job(2, 1, 10, 10), a_job(3, 2, 5, 1)]
    assert schedule(jobs, 10, [100, 100, 100]) == [0, 10, 20]


some_jobs = st.lists(
    st.builds(a_job, st.just(0), st.integers(0, 60), st.integers(0, 30), st.integers(1, 10)), min_size=1, max_size=25
).map(lambda jobs: sorted(jobs, key=lambda job: job.submit))


@settings(max_examples=200, deadline=None)
@given(some_jobs, st.integers(0, 40))
def test_no_job_starts_before_it_was_submitted_and_no_processor_is_used_twice(jobs: list[Job], more_s: int) -> None:
    starts = schedule(jobs, 10, [job.run_s + more_s for job in jobs])
    assert all(at >= job.submit for job, at in zip(jobs, starts, strict=True))
    for now in range(max(starts) + 31):
        used = sum(job.processors for job, at in zip(jobs, starts, strict=True) if at <= now < at + job.run_s)
        assert used <= 10
