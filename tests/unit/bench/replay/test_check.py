"""The check of a schedule finds each thing that can be wrong with one; a check that finds nothing would prove nothing."""

from pathlib import Path

import pytest

from bench.replay.check import HEADER as COLUMNS
from bench.replay.check import main
from tests.unit.bench.replay.test_swf import HEADER, a_line

LOG = HEADER + a_line(asked=60) + a_line(id=2, asked=60) + a_line(id=3, asked=200) + a_line(id=4, run=0)
RIGHT = ["1,10,10,10,10,70,60", "2,10,70,75,70,130,60"]


def checked(tmp_path: Path, rows: list[str]) -> int:
    log, schedule = tmp_path / "log.swf", tmp_path / "out.csv"
    log.write_text(LOG)
    schedule.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    return main([str(log), str(schedule)])


def test_a_schedule_that_is_right_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(tmp_path, RIGHT) == 0
    assert capsys.readouterr().out.startswith("2 jobs on 100 processors")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        pytest.param(RIGHT[:1], "job 2 is not in the schedule", id="a job is missing"),
        pytest.param([*RIGHT, RIGHT[0]], "line 4: job 1 is on line 2 too", id="a job twice"),
        pytest.param(
            [*RIGHT, "3,10,500,500,500,560,200"], "line 4: job 3 is not in the log", id="a job that never fits"
        ),
        pytest.param(
            [*RIGHT, "4,10,500,500,500,500,4"], "line 4: job 4 is not in the log", id="a job without a length"
        ),
        pytest.param([RIGHT[0], "2,10,80,80,70,130,4"], "asked at 10 for 60, not at 10 for 4", id="another size"),
        pytest.param([RIGHT[0], "2,70,80,80,70,130,60"], "asked at 10 for 60, not at 70", id="another submission"),
        pytest.param([RIGHT[0], "2,10,80,80,70,120,60"], "runs for 60 s, not 50", id="cut short"),
        pytest.param(
            ["1,10,5,5,5,65,60", RIGHT[1]], "starts 5 s before it was submitted", id="before it was asked for"
        ),
        pytest.param([RIGHT[0], "2,10,80,60,70,130,60"], "starts 10 s later than it was first promised", id="late"),
        pytest.param([RIGHT[0], "2,10,90,80,70,130,60"], "was promised 90 in the end, and 80", id="a later promise"),
        pytest.param(
            ["1,10,10,10,10,70,60", "2,10,69,69,69,129,60"], "at second 69 120 processors", id="a second twice"
        ),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, rows: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(tmp_path, rows) == 1
    assert said in capsys.readouterr().out


def test_what_is_no_schedule_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none"), str(tmp_path / "none")]) == 2
    assert checked(tmp_path, ["1,2,3"]) == 2
    assert capsys.readouterr().err.count("bench.replay.check: ") == 2
