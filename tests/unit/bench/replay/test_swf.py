"""Logs are read as they are, and what is wrong with one names its line."""

import gzip
from pathlib import Path

import pytest

from bench.replay.swf import BadLog, Job, parsed, read

HEADER = "; MaxProcs: 100\n"


def a_line(
    id: int = 1, submit: int = 10, run: int = 60, used: int = 4, asked: int = 4, time: int = 120, status: int = 1
) -> str:
    return f"{id} {submit} 0 {run} {used} -1 -1 {asked} {time} -1 {status} 1 1 1 1 1 -1 -1\n"


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
            [HEADER, a_line().replace("60", "soon")], r"line 2: field 4 \(run time\) is a number", id="no number"
        ),
        pytest.param(
            [HEADER, a_line(used=9).replace(" 9 ", " 9.5 ")], r"line 2: field 5 .* not '9.5'", id="half of one"
        ),
        pytest.param([HEADER, a_line().replace("60", "nan")], "line 2: field 4", id="not a number"),
        pytest.param([HEADER, a_line().replace("60", "1e300")], "line 2: field 4", id="beyond all time"),
        pytest.param(
            [HEADER, a_line(run=0)], "no job that could be replayed: line 2: job 1 has no length", id="none left"
        ),
        pytest.param([a_line()], "MaxProcs", id="no size of the machine"),
        pytest.param(["; MaxProcs: many\n", a_line()], "line 1: MaxProcs", id="a size that is no number"),
        pytest.param(["; MaxProcs: 12.5\n", a_line()], "line 1: MaxProcs", id="half a processor"),
        pytest.param(
            ["; MaxProcs: 99999999999999\n", a_line()],
            "line 1: MaxProcs is at most 10,000,000",
            id="beyond all machines",
        ),
        pytest.param(["; MaxProcs: -1\n", a_line()], "MaxProcs", id="a size that is not known"),
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
    with pytest.raises(BadLog, match="line 1 is no text"):
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
        pytest.param(
            a_line(id=2, run=-1, used=-1, status=5),
            "has no length: it ran for -1 s, cancelled before it started",
            id="cancelled before it started",
        ),
        pytest.param(a_line(id=2, used=-1, asked=-1), "has no size: it used -1 processors and asked for -1", id="-1"),
        pytest.param(a_line(id=2, status=3), "has status 3: one execution of a job whose own line", id="swapped out"),
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


def test_a_job_cancelled_while_it_ran_is_a_job() -> None:
    assert len(parsed("log", [HEADER, a_line(status=5)]).jobs) == 1


def test_jobs_with_the_same_number_are_both_kept_and_told_apart() -> None:
    log = parsed(
        "log", [HEADER, a_line(id=7), a_line(id=7, run=0), a_line(id=7, used=5, asked=5), a_line(id=7, submit=11)]
    )
    assert [(job.label, job.processors, job.submit) for job in log.jobs] == [(7, 4, 10), ("7#2", 5, 10), ("7#3", 4, 11)]
    assert log.notes == (
        "line 4: job 7 is on line 2 too, and is called 7#2 here",
        "line 5: job 7 is on line 2 too, and is called 7#3 here",
    )


def test_the_executions_of_a_job_that_was_swapped_out_are_not_run_beside_the_whole() -> None:
    log = parsed("log", [HEADER, a_line(status=2), a_line(run=120), a_line(status=3)])
    assert [(job.label, job.run_s) for job in log.jobs] == [(1, 120)]
    assert len(log.unusable) == 2


@pytest.mark.parametrize(
    ("submit", "run", "time", "want"),
    [
        pytest.param("10.9", "60", "120", (10, 60, 120), id="a submission is in the second before it"),
        pytest.param("10", "60.1", "120", (10, 61, 120), id="a run time is the next longer one"),
        pytest.param("10", "60", "119.5", (10, 60, 120), id="so is what was asked for"),
        pytest.param("10", "0.2", "0.3", (10, 1, 1), id="less than a second is one"),
        pytest.param("10", "60.5", "-1", (10, 61, 61), id="no time was asked for"),
        pytest.param("10.0", "6e1", "120.00", (10, 60, 120), id="whole seconds written as fractions"),
    ],
)
def test_fractions_of_a_second_are_rounded_and_said(
    submit: str, run: str, time: str, want: tuple[int, int, int]
) -> None:
    log = parsed("log", [HEADER, f"1 {submit} 0 {run} 4 -1 -1 4 {time} -1 1 1 1 1 1 1 -1 -1\n"])
    [job] = log.jobs
    assert (job.submit, job.run_s, job.asked_s) == want
    fractions = any(not float(word).is_integer() for word in (submit, run, time))
    assert [note.startswith("line 2: a time has a fraction") for note in log.notes] == [True] * fractions


@pytest.mark.parametrize("name", ["log.swf", "log.swf.gz"])
def test_comments_are_in_whatever_their_writers_used(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    text = b"; Installation: KTH, K\xf6nigliche, \x81\x92\n" + (HEADER + a_line()).encode()
    path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    assert read(path).jobs == parsed("log", [HEADER, a_line()]).jobs


@pytest.mark.parametrize(
    ("header", "want"),
    [
        pytest.param("; MaxProcs: 1,152 (of 1,158)\n", 1152, id="thousands"),
        pytest.param(";MaxProcs:   128.\n", 128, id="a sentence"),
        pytest.param("; MaxNodes: 8 nodes\n; MaxProcs: 128\n", 128, id="nodes and processors"),
        pytest.param("; MaxProcs: 128\n; MaxNodes: some\n", 128, id="nodes that are no number"),
        pytest.param("; MaxProcs: -1\n; MaxNodes: 64\n", 64, id="processors not known"),
    ],
)
def test_the_machine_is_as_large_as_the_header_says(header: str, want: int) -> None:
    log = parsed("log", [*header.splitlines(keepends=True), a_line()])
    assert log.processors == want


def test_nodes_taken_for_processors_are_said() -> None:
    [note] = parsed("log", ["; MaxNodes: 64\n", a_line()]).notes
    assert note == "the header has no MaxProcs, so each of its 64 nodes (MaxNodes) is one processor"
    assert parsed("log", ["; MaxNodes: 64\n", HEADER, a_line()]).notes == ()
