"""Slurm and we, part by part: what was measured is kept, whatever fails beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import machine, results
from bench.beside import Part, one_by_one
from bench.page import kept
from bench.results import Row

PLAN = {"jobs": 200, "seconds": 0.5, "processor s": 0.5}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "TREE", tmp_path)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    return tmp_path / "results"


def a_part(name: str, *measures: str, fails: bool = False) -> Part:
    def measured() -> Iterator[tuple[str, list[Row], Row]]:
        for measure in measures:
            yield measure, [PLAN], {"pending": 200}
        if fails:
            raise RuntimeError("the lights went out")

    return Part(name=name, nodes=2, measured=measured)


def test_what_was_measured_before_a_part_failed_is_kept_and_the_next_are_measured(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [a_part("theirs", "slurm-plan-theirs", fails=True), a_part("ours", "slurm-plan-ours")]
    assert one_by_one(parts, {"cores": 2}) == 1
    found = {one.measure: one for one in kept.read(folder).all}
    assert set(found) == {"slurm-plan-theirs", "slurm-plan-ours"}
    assert found["slurm-plan-ours"].settings == {
        "run": found["slurm-plan-theirs"].settings["run"],
        "nodes": 2,
        "gpus": 16,
    }
    shown = capsys.readouterr()
    assert "theirs failed: RuntimeError: the lights went out" in shown.err
    assert "not measured whole: theirs" in shown.err
    assert "a plan of the 200 that wait, s" in shown.out


def test_a_run_in_which_nothing_failed_ends_well(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert one_by_one([a_part("ours", "slurm-plan-ours")], {"cores": 2}) == 0
    assert capsys.readouterr().err == ""
    assert len(kept.read(folder).all) == 1
