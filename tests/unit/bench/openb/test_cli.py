import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import machine, results
from bench.openb import cli
from tests.unit.bench.openb.trace_files import written


def test_the_rows_stand_beside_best_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(machine, "TREE", tmp_path)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    asked = ["--data", str(written(tmp_path)), "--seeds", "2", "--sample", "20", "--json"]
    assert cli.main([*asked, "--mix", "all", "--policy", "bestfit", "ours"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [(row["mix"], row["policy"]) for row in said["rows"]] == [("default", "bestfit"), ("default", "ours")]
    first, second = said["rows"]
    assert first["x bestfit"] == 1
    assert second["x bestfit"] == pytest.approx(second["% free at 130"] / first["% free at 130"])
    assert first["published at 130"] == "-"
    assert said["settings"]["cluster_gpus"] == 16


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        pytest.param(["--arrivals", "9"], "'9' is not a whole number from 10 to 1000", id="too few arrivals"),
        pytest.param(["--seeds", "x"], "'x' is not a whole number from 1 to 1000", id="not a number"),
        pytest.param(["--policy", "worst"], "invalid choice: 'worst'", id="an unknown policy"),
    ],
)
def test_an_argument_that_is_not_right_is_named(arguments: list[str], want: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert want in capsys.readouterr().err


def test_a_trace_that_is_not_there_ends_the_command_with_one_sentence(tmp_path: Path):
    command = [sys.executable, "-m", "bench", "openb", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=machine.TREE, timeout=240)
    assert done.returncode == 1
    assert done.stderr.startswith(f"bench openb: the openb trace is not in {tmp_path / 'openb'}")
    assert done.stderr.count("\n") == 1
