"""The Philly trace is read in both of its forms, and what is wrong in it is named by its line."""

import gzip
from pathlib import Path

import pytest

from bench import machine
from bench.philly.trace import BadTrace, parsed, read
from tests.unit.bench.philly.asks import a_job

WHOLE = "job_id,user,num_gpu,submit_time,model_name,duration\n"
EXCERPT = "job_id,vc,num_gpu,submit_minute,duration_minutes\n"


def test_minutes_become_seconds_and_jobs_come_by_their_submission() -> None:
    found = parsed("t", WHOLE + "7,vc_b,4,12,resnet,211\n3,vc_a,1,2,resnet,20\n")
    assert found.jobs == (
        a_job(3, gpus=1, submit=120, run_s=1200, company="vc_a"),
        a_job(7, gpus=4, submit=720, run_s=12_660, company="vc_b"),
    )
    assert found.companies == ["vc_a", "vc_b"]
    assert [job.id for job in found.first(1).jobs] == [3]


def test_the_demos_excerpt_is_read_too() -> None:
    found = read(machine.TREE / "deploy" / "demo" / "philly" / "jobs.csv")
    assert (len(found.jobs), len(found.companies), found.unusable) == (65, 11, ())


def test_a_gzipped_trace_is_read(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress((EXCERPT + "1,a,8,0,1\n").encode()))
    assert read(path).jobs == (a_job(1, gpus=8, run_s=60),)


def test_who_asks_for_no_gpu_or_no_time_is_left_out_and_named() -> None:
    found = parsed("t", EXCERPT + "1,a,0,0,5\n2,a,1,0,5\n3,a,1,0,0\n")
    assert [job.id for job in found.jobs] == [2]
    assert found.unusable == (
        "t line 2: job 1 asks for 0 GPUs for 300 s",
        "t line 4: job 3 asks for 1 GPUs for 0 s",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "t is not of the Philly trace: its first line needs the columns job_id, user, num_gpu"),
        ("a,b\n1,2\n", "not a, b"),
        (EXCERPT, "t has no job that could be replayed"),
        (EXCERPT + "1,a,0,0,5\n", "t has no job that could be replayed"),
        (EXCERPT + "1,a,1,0,5\n2,a,1\n", "t line 3 ends before its column duration_minutes"),
        (EXCERPT + "1,a,one,0,5\n", "t line 2: num_gpu is 'one', not a whole number from 0 to 1,000,000"),
        (EXCERPT + "1,a,1,-3,5\n", "t line 2: submit_minute is '-3'"),
        (EXCERPT + "1,a,1,0,99999999\n", "t line 2: duration_minutes is '99999999'"),
        (EXCERPT + "1,,1,0,5\n", "t line 2: vc is empty"),
    ],
)
def test_what_is_wrong_in_a_trace_is_named(text: str, said: str) -> None:
    with pytest.raises(BadTrace, match="t ") as found:
        parsed("t", text)
    assert said in str(found.value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadTrace, match="cannot be read"):
        read(tmp_path / "none.csv")
    (tmp_path / "broken.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(BadTrace, match="cannot be read"):
        read(tmp_path / "broken.csv.gz")
