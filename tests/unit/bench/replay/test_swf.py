"""Logs are read as they are, and what is wrong with one names its line."""

import gzip
from pathlib import Path

import pytest

from bench.replay.swf import BadLog, Job, parsed, read

HEADER = "; MaxProcs: 100\n"


def a_line(id: int = 1, submit: int = 10, run: int = 60, used: int = 4, asked: int = 4, time: int = 120) -> str:
    return f"{id} {submit} 0 {run} {used} -1 -1 {asked} {time} -1 1 1 1 1 1 1 -1 -1\n"


def test_a_job_is_read_from_its_fields() -> None:
    log = parsed("log", [HEADER, a_line()])
    assert (log.processors, log.jobs) == (100, (Job(id=1, submit=10, run_s=60, asked_s=120, processors=4),))


def test_a_log_may_be_gzipped(tmp_path: Path) -> None:
    path = tmp_path / "log.swf.gz"
    path.write_bytes(gzip.compress((HEADER + a_line()).encode()))
    assert len(read(path).jobs) == 1


def test_what_was_not_asked_for_is_taken_from_what_was_used() -> None:
    [job] = parsed("log", [HEADER, a_line(asked=-1, time=-1)]).jobs
    assert (job.processors, job.asked_s) == (4, 60)


def test_a_job_is_cut_at_the_time_it_asked_for() -> None:
    [job] = parsed("log", [HEADER, a_line(run=500, time=120)]).jobs
    assert job.run_s == 120


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param([HEADER, "1 2 3\n"], r"line 2: a job is 18 numbers, .* not 3", id="missing fields"),
        pytest.param(
            [HEADER, a_line().replace("60", "soon")], r"line 2: field 4 \(run time\) is a whole", id="no number"
        ),
        pytest.param([HEADER, a_line().replace("60", "6.5")], r"line 2: field 4 .* not '6.5'", id="half a second"),
        pytest.param([HEADER, a_line().replace("60", "nan")], "line 2: field 4", id="not a number"),
        pytest.param([HEADER, a_line().replace("60", "1e300")], "line 2: field 4", id="beyond all time"),
        pytest.param([HEADER, a_line(), a_line()], "line 3: job 1 is on line 2 too", id="a job twice"),
        pytest.param(
            [HEADER, a_line(run=0)], "no job that could be replayed: line 2: job 1 has no length", id="none left"
        ),
        pytest.param([a_line()], "MaxProcs", id="no size of the machine"),
        pytest.param(["; MaxProcs: many\n", a_line()], "line 1: MaxProcs", id="a size that is no number"),
        pytest.param([HEADER], "no job", id="no jobs"),
    ],
)
def test_a_log_that_cannot_be_read_says_where(lines: list[str], said: str) -> None:
    with pytest.raises(BadLog, match=said):
        parsed("log", lines)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadLog, match="cannot be read"):
        read(tmp_path / "none.swf")


def test_what_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "log.swf"
    path.write_bytes(gzip.compress(b"x" * 100))
    with pytest.raises(BadLog, match="is no text"):
        read(path)


def test_a_gzipped_log_that_was_cut_short_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "log.swf.gz"
    path.write_bytes(gzip.compress((HEADER + a_line()).encode())[:-12])
    with pytest.raises(BadLog, match="cannot be read"):
        read(path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param(a_line(id=2, used=0, asked=0), "has no size: it used 0 processors and asked for 0", id="no size"),
        pytest.param(a_line(id=2, run=0), "has no length: it ran for 0 s", id="no time run"),
        pytest.param(a_line(id=2, run=-1), "has no length: it ran for -1 s", id="unknown time run"),
        pytest.param(a_line(id=2, time=0), "has no length: it asked for 0 s", id="no time asked for"),
        pytest.param(a_line(id=2, time=-5), "has no length: it asked for -5 s", id="less than no time"),
        pytest.param(a_line(id=2, submit=-1), "was submitted at -1", id="never submitted"),
    ],
)
def test_jobs_without_a_size_or_a_length_are_named_and_left_out(line: str, said: str) -> None:
    log = parsed("log", [HEADER, a_line(), line])
    assert [job.id for job in log.jobs] == [1]
    assert [sentence.startswith(f"line 3: job 2 {said}") for sentence in log.unusable] == [True]


def test_disorder_names_its_line_and_is_put_in_order() -> None:
    log = parsed("log", [HEADER, a_line(submit=10), a_line(id=3, submit=5), a_line(id=2, submit=5)])
    assert log.disorder == "line 3: job 3 was submitted at 5, before the job above it (10)"
    assert [job.id for job in log.jobs] == [2, 3, 1]


def test_a_log_in_order_has_no_disorder() -> None:
    assert parsed("log", [HEADER, a_line(submit=5), a_line(id=2, submit=5), a_line(id=3, submit=6)]).disorder is None
