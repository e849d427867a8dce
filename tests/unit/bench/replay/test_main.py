"""`python -m bench replay` says what came of a log, names what it leaves out, and answers a mistake with a sentence."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import machine, results
from bench.replay import check
from bench.replay.__main__ import main
from tests.unit.bench.replay.test_swf import HEADER, a_line

LOG = HEADER + a_line() + a_line(id=2, submit=20, asked=200) + a_line(id=3, submit=15, asked=100) + a_line(id=4, run=0)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two jobs that run, one that is too wide and one without a length; results are kept beside it."""
    monkeypatch.setattr(machine, "TREE", tmp_path)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    path = tmp_path / "log.swf"
    path.write_text(LOG)
    return path


def test_a_replay_prints_its_figures_as_json(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(log), "--boxes", "asked", "--classes", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["jobs"], figures["promises_broken"], figures["worst_lateness_s"]) == (2, 0, 0)
    assert (figures["jobs_that_never_fit"], figures["never_fit"]) == (1, [2])
    assert figures["unusable"] == ["line 5: job 4 has no length: it ran for 0 s"]
    assert figures["disorder"] == "line 4: job 3 was submitted at 15, before the job above it (20)"
    # 60 s each, the second waits for 55: (1 + 115 / 60) / 2, as EASY does; 104 * 60 of 100 * 120 processor-seconds
    assert (
        figures["mean_bounded_slowdown"] == figures["easy_mean_bounded_slowdown"] == pytest.approx((1 + 115 / 60) / 2)
    )
    assert figures["utilisation"] == pytest.approx(104 * 60 / (100 * 120))
    # The second was promised the end of the first's box of 120 s and the slack of 60 s, and started 120 s sooner.
    assert (figures["mean_slack_s"], figures["median_slack_s"]) == (60, 60)
    assert figures["decisions_per_s"] > 0
    assert [row["class"] for row in figures["classes"] if row["jobs"]] == [
        "wide to 10 %",
        "wide over 30 %",
        "long to 10 min",
    ]


def test_a_replay_names_to_people_what_it_leaves_out(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(log), "--boxes", "exact"]) == 0
    shown = capsys.readouterr()
    assert "job 2 asks for 200 of 100 processors and never fits" in shown.err
    assert "line 5: job 4 has no length" in shown.err
    assert "line 4: job 3 was submitted at 15" in shown.err
    assert "promises_broken" in shown.out


@pytest.mark.parametrize("rule", ["earliest-slot", "only-earlier"])
def test_a_rule_without_slack_says_that_it_is_not_used(
    log: Path, capsys: pytest.CaptureFixture[str], rule: str
) -> None:
    assert main([str(log), "--boxes", "exact", "--rule", rule, "--slack", "0.2", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["slack"] == 0
    assert f"--slack 0.2 is not used: by {rule} every promise is the earliest start" in shown.err
    assert main([str(log), "--boxes", "exact", "--rule", rule, "--json"]) == 0
    shown = capsys.readouterr()
    assert (json.loads(shown.out)["slack"], "--slack" in shown.err) == (0, False)


def test_the_schedule_has_a_row_a_job_and_passes_its_check(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert main([str(log), "--boxes", "asked", "--slack", "0.25", "--schedule", str(out)]) == 0
    assert list(csv.reader(out.read_text().splitlines())) == [
        ["id", "submit", "promised_start", "first_promised_start", "start", "end", "gpus"],
        ["1", "10", "10", "10", "10", "70", "4"],
        ["3", "15", "160", "160", "70", "130", "100"],
    ]
    assert check.main([str(log), str(out)]) == 0


def test_a_log_as_archives_have_them_is_replayed_whole(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two jobs of one number, one of them too wide a second time, fractions of a second, a swapped-out job's executions, and a name in Latin-1."""
    text = "; MaxNodes: 100\n" + a_line() + a_line(submit=11) + a_line(asked=200) + a_line(id=2, status=2)
    text += a_line(id=2, submit=20).replace(" 20 0 60 ", " 20.7 0 60.2 ")
    log.write_bytes(b"; Person: J\xf6rg\n" + text.encode())
    out = tmp_path / "out.csv"
    assert main([str(log), "--boxes", "exact", "--schedule", str(out), "--json"]) == 0
    shown = capsys.readouterr()
    figures = json.loads(shown.out)
    assert (figures["jobs"], figures["never_fit"], figures["jobs_unusable"]) == (3, ["1#3"], 1)
    assert len(figures["notes"]) == 4
    assert all(f"bench replay: {note}" in shown.err for note in figures["notes"])
    rows = list(csv.reader(out.read_text().splitlines()))[1:]
    assert [(row[0], int(row[5]) - int(row[4])) for row in rows] == [("1", 60), ("1#2", 60), ("2", 61)]
    assert check.main([str(log), str(out)]) == 0


def test_what_was_found_is_kept_with_what_was_asked(log: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert main([str(log), "--boxes", "exact", "--reserve", "0.5:30", "--seniority", "2d"]) == 0
    kept = [json.loads(path.read_text()) for path in sorted((tmp_path / "results").iterdir())]
    assert sorted(each["measure"] for each in kept) == ["replay", "replay", "replay-classes", "replay-classes"]
    want = {"log": "log.swf", "boxes": "exact", "rule": "late-slots", "slack": 0.05, "reserve": "0.5:30s"}
    assert all(each["settings"] == want | {"seniority_s": 172800} for each in kept)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param([], "--boxes", id="no boxes"),
        pytest.param(["--boxes", "some"], "invalid choice: 'some'", id="unknown boxes"),
        pytest.param(["--boxes", "exact", "--slack", "-1"], "give a number from 0 to 1000", id="slack below nothing"),
        pytest.param(
            ["--boxes", "exact", "--slack", "nan"], "give a number from 0 to 1000", id="slack that is no number"
        ),
        pytest.param(["--boxes", "exact", "--reserve", "2"], "give a part of the pool", id="half a reserve"),
        pytest.param(["--boxes", "exact", "--reserve", "1:1h"], "give a part of the pool", id="a reserve of all"),
        pytest.param(["--boxes", "exact", "--reserve", "0.1:soon"], "'soon' is no duration", id="a reserve over what"),
        pytest.param(["--boxes", "exact", "--seniority", "-5"], "'-5' is no duration", id="seniority below nothing"),
        pytest.param(["--boxes", "exact", "--rule", "best"], "invalid choice: 'best'", id="an unknown rule"),
        pytest.param(["--boxes", "exact", "--schedule", "/none/out.csv"], "cannot be written", id="nowhere to write"),
    ],
)
def test_an_option_that_is_wrong_is_named(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["log.swf", *words])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_log_that_is_wrong_is_one_sentence_and_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "replay", str(tmp_path / "none.swf"), "--boxes", "exact"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bench replay: ")
    assert done.stderr.count("\n") == 1
