"""What Debian's Slurm 22.05.8 really printed."""

from pathlib import Path

import pytest

from bench.slurm import output
from bench.slurm.output import NONE, Calls, Diagnosis, Unreadable

FRESH = Path(__file__).with_name("sdiag_fresh.txt").read_text()
PLANNED = Path(__file__).with_name("sdiag_planned.txt").read_text()

TO_START = "sbatch: Job 34 to start at 2026-11-24T12:00:33 using 2 processors on nodes n[0002-0003] in partition gpu\n"
NEVER = "allocation failure: Requested node configuration is not available\n"


def test_a_diagnosis_has_the_last_plan_and_not_the_main_scheduler() -> None:
    found = output.diagnosis(PLANNED)
    assert found == Diagnosis(
        completed=0,
        planning=False,
        cycles=1,
        cycle_at=1795511868,
        cycle_us=1747,
        cycle_jobs=21,
        calls=found.calls,
    )


def test_a_diagnosis_says_whether_it_was_made_while_planning() -> None:
    during = "Backfilling stats (WARNING: data obtained in the middle of backfilling execution.)"
    assert output.diagnosis(PLANNED.replace("Backfilling stats", during)).planning


def test_a_diagnosis_has_the_calls_by_kind_and_not_by_user() -> None:
    found = output.diagnosis(PLANNED)
    assert found.called("REQUEST_SUBMIT_BATCH_JOB") == Calls(count=31, total_us=33553)
    assert found.called("REQUEST_JOB_WILL_RUN") == Calls(count=2, total_us=722)
    assert set(found.calls) == {
        "REQUEST_SUBMIT_BATCH_JOB",
        "REQUEST_FED_INFO",
        "REQUEST_PARTITION_INFO",
        "REQUEST_JOB_WILL_RUN",
        "REQUEST_JOB_INFO_SINGLE",
        "REQUEST_NODE_INFO",
        "REQUEST_STATS_INFO",
    }


def test_a_controller_that_has_planned_nothing_has_no_last_plan() -> None:
    found = output.diagnosis(FRESH)
    assert (found.cycles, found.cycle_at, found.cycle_jobs) == (0, None, 0)
    assert found.called("REQUEST_SUBMIT_BATCH_JOB") == NONE


@pytest.mark.parametrize(
    ("before", "after", "want_ms"),
    [
        pytest.param(Calls(count=10, total_us=5_000), Calls(count=14, total_us=13_000), 2.0, id="those between"),
        pytest.param(Calls(count=10, total_us=5_000), Calls(count=10, total_us=5_000), 0.0, id="none between"),
    ],
)
def test_the_mean_time_of_calls_is_of_those_made_since(before: Calls, after: Calls, want_ms: float) -> None:
    assert after.since(before) == want_ms


def test_the_answer_to_a_submission_is_the_number_of_the_job() -> None:
    assert (output.job("31\n"), output.job("31;emul\n")) == (31, 31)


def test_a_test_only_answers_when_it_would_start() -> None:
    assert output.would_start(TO_START) == 1795521633


def test_a_job_has_a_planned_start_or_none_yet() -> None:
    assert (output.start("2026-11-25T05:30:00\n"), output.start("N/A\n")) == (1795584600, None)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        pytest.param(output.would_start, NEVER, id="a test-only that was refused"),
        pytest.param(output.job, "sbatch: error\n", id="a submission that answers no number"),
        pytest.param(output.start, "", id="a job that squeue does not know"),
        pytest.param(output.diagnosis, "", id="no diagnosis"),
        pytest.param(output.diagnosis, PLANNED.replace("Last depth cycle (try sched)", "Depth"), id="another sdiag"),
    ],
)
def test_anything_else_is_unreadable_and_shown(read, text: str) -> None:
    with pytest.raises(Unreadable) as raised:
        read(text)
    assert text.strip()[-30:] in str(raised.value)
