"""Logs are read as they are, and what is wrong with one names its line."""

import gzip
from pathlib import Path

import pytest

from bench.replay.swf import BadLog, Job, parsed, read

HEADER = "; MaxProcs: 100\n"


def a_line(id: int = 1, submit: int = 10, run: int = 60, used: int = 4, asked: int = 4, time: int = 120) -> str:
    return f"{id} {submit} 0 {run} {used} -1 -1 {asked} {time} -1 1 1 1 1 1 1 -1 -1\n"


def test_a_job_is_read_from_its_fields() -> None:
    log = parsed("log", iter([HEADER, a_line()]))
    assert (log.processors, log.jobs) == (100, (Job(id=1, submit=10, run_s=60, asked_s=120, processors=4),))


def test_a_log_may_be_gzipped(tmp_path: Path) -> None:
    path = tmp_path / "log.swf.gz"
    path.write_bytes(gzip.compress((HEADER + a_line()).encode()))
    assert len(read(path).jobs) == 1


def test_what_was_not_asked_for_is_taken_from_what_was_used() -> None:
    [job] = parsed("log", iter([HEADER, a_line(asked=-1, time=-1)])).jobs
    assert (job.processors, job.asked_s) == (4, 60)


def test_a_job_is_cut_at_the_time_it_asked_for() -> None:
    [job] = parsed("log", iter([HEADER, a_line(run=500, time=120)])).jobs
    assert job.run_s == 120


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param([HEADER, "1 2 3\n"], r"line 2: a job is 18 numbers, not 3", id="missing fields"),
        pytest.param([HEADER, a_line().replace("60", "soon")], r"line 2: field 4 \(run time\)", id="no number"),
        pytest.param([a_line()], "MaxProcs", id="no size of the machine"),
        pytest.param(["; MaxProcs: many\n", a_line()], "line 1: MaxProcs", id="a size that is no number"),
        pytest.param([HEADER], "no job", id="no jobs"),
    ],
)
def test_a_log_that_cannot_be_read_says_where(lines: list[str], said: str) -> None:
    with pytest.raises(BadLog, match=said):
        parsed("log", iter(lines))


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadLog, match="cannot be read"):
        read(tmp_path / "none.swf")


def test_jobs_without_a_size_or_a_time_are_named_and_left_out() -> None:
    lines = [HEADER, a_line(), a_line(id=2, used=0, asked=0), a_line(id=3, run=-1)]
    log = parsed("log", iter(lines))
    assert [job.id for job in log.jobs] == [1]
    assert [said[:13] for said in log.unusable] == ["line 3: job 2", "line 4: job 3"]


def test_disorder_names_its_line_and_is_sorted() -> None:
    log = parsed("log", iter([HEADER, a_line(submit=10), a_line(id=2, submit=5)]))
    assert log.disorder is not None
    assert log.disorder.startswith("line 3: job 2")
    assert [job.id for job in log.jobs] == [2, 1]
