"""`python -m bench philly` says what came of the asks, keeps it, and answers a mistake with a sentence."""

import json
from pathlib import Path

import pytest

from bench import machine, results
from bench.philly import cli

HEADER = "job_id,vc,num_gpu,submit_minute,duration_minutes\n"
TRACE = HEADER + "1,a,8,0,60\n2,b,8,10,30\n3,a,64,0,5\n4,b,0,0,5\n5,b,1,90,10\n"


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two jobs of whole nodes, one that never fits, one that asks for nothing and a small one; results are kept there."""
    monkeypatch.setattr(machine, "TREE", tmp_path)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    path = tmp_path / "jobs.csv"
    path.write_text(TRACE)
    return path


def test_the_figures_are_printed_as_json_and_kept(
    trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([str(trace), "--gpus", "8", "--json"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert (found["jobs"], found["jobs_that_never_fit"], found["jobs_unusable"]) == (3, 1, 1)
    assert (found["promises_broken"], found["worst_lateness_s"], found["companies"]) == (0, 0, 2)
    # The second waits for 50 minutes of its 30, as with EASY; the small one comes when nothing runs.
    assert found["mean_bounded_slowdown"] == found["easy_mean_bounded_slowdown"] == pytest.approx((1 + 80 / 30 + 1) / 3)
    assert found["ratio_to_easy"] == 1
    assert found["easy_counting_gpus_mean_bounded_slowdown"] == found["easy_mean_bounded_slowdown"]
    assert found["utilisation"] == pytest.approx((8 * 60 + 8 * 30 + 10) / (8 * 100))
    assert found["decisions_per_s"] > 0
    waits = {(row["by"], row["class"]): (row["jobs"], row["wait_s"]) for row in found["classes"]}
    assert waits == {
        ("company", "a"): (1, 0),
        ("company", "b"): (2, 1500),
        ("width", "1 GPU"): (1, 0),
        ("width", "5 to 8"): (2, 1500),
    }
    assert "job 3 asks for 64 GPUs and never fits" in shown.err
    assert "jobs.csv line 5: job 4 asks for 0 GPUs" in shown.err
    kept = sorted(path.name.partition("-")[2] for path in (tmp_path / "results").iterdir())
    assert kept == ["philly-8.json", "philly-classes-8.json"]


def test_a_rule_without_slack_says_that_it_is_not_used(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--gpus", "16", "--asks", "2", "--rule", "only-earlier", "--slack", "0.2", "--json"]
    assert cli.main([str(trace), *options]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["slack"] == 0
    assert "--slack 0.2 is not used" in shown.err


def test_the_figures_are_printed_for_people(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(trace), "--gpus", "16", "--asks", "2", "--gap", "30s", "--slack", "0", "--quota", "50"]) == 0
    shown = capsys.readouterr().out
    figures = dict(line.split() for line in shown.splitlines() if len(line.split()) == 2)
    assert (figures["gpus"], figures["gap_s"], figures["promises_broken"]) == ("16", "30", "0")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--gpus", "12"], "12 GPUs are no whole nodes of 8"),
        (["--gpus", "0"], "'0' is not a whole number from 8 to 80,000"),
        (["--quota", "101"], "'101' is not a whole number from 1 to 100"),
        (["--gap", "soon"], "'soon' is no duration"),
        (["--slack", "-1"], "'-1' is no part of a box"),
        (["--slack", "nan"], "'nan' is no part of a box"),
        (["--rule", "luck"], "invalid choice: 'luck'"),
        (["--asks", "0"], "'0' is not a whole number from 1"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_a_wrong_option_is_named(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_wrong_line_is_named(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace.write_text(HEADER + "1,a,8,0,60\n2,b,many,10,30\n")
    assert cli.main([str(trace)]) == 2
    assert "jobs.csv line 3: num_gpu is 'many', not a whole number" in capsys.readouterr().err


def test_a_trace_that_is_not_there_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DURE_DATA", str(tmp_path))
    assert cli.main([]) == 2
    said = capsys.readouterr().err
    assert "DURE_DATA" in said
    assert "deploy/demo/philly/jobs.csv is an excerpt of it" in said
