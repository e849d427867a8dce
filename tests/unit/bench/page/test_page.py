"""The page in the tree is what the command makes of the results in the tree; and what it makes of others."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bench import machine, results
from bench.page import cli, kept, pictures
from bench.page.kept import BadResult, Results
from bench.page.section import Bars
from bench.results import Result
from tests.unit.bench.page.results import a_result, replays

TREE = machine.TREE
BARS = Bars(name="b", title="t", axis="x", labels=["one", "two"], series={"a": [1.0, None], "b": [2.0, 3.0]}, mark=1.0)


@pytest.fixture(scope="module")
def page() -> cli.Page:
    """Of the results that are in git: who measures something does not have to publish it."""
    there = committed()
    found = Results([one for one in kept.read(results.FOLDER).all if there is None or one.name in there])
    return cli.made(found, cli.TEMPLATE.read_text())


def committed() -> set[str] | None:
    """None where this is no checkout; then there is nothing but what was published."""
    command = ["git", "-C", str(TREE), "ls-files", str(results.FOLDER)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return None if done.returncode else {Path(line).stem for line in done.stdout.splitlines()}


def test_the_page_in_the_tree_is_made_of_the_results_in_the_tree(page: cli.Page) -> None:
    assert (TREE / cli.PAGE).read_text() == page.text, "run `python -m bench page`, and commit what it writes"


def test_the_pictures_in_the_tree_are_those_of_the_page_and_no_others(page: cli.Page) -> None:
    there = {path.stem: pictures.drawn(path) for path in (TREE / cli.PICTURES).glob("*.png")}
    assert there == {bars.name: pictures.digest(bars) for bars in page.pictures}
    assert all(f"](performance/{name}.png)" in page.text for name in there)


def test_the_pictures_in_the_tree_look_as_they_are_drawn(page: cli.Page, tmp_path: Path) -> None:
    """Nearly: another processor may round a shade otherwise."""
    from matplotlib.image import imread

    for bars in page.pictures:
        pictures.draw(bars, tmp_path / "again.png")
        again, there = imread(tmp_path / "again.png"), imread(TREE / cli.PICTURES / f"{bars.name}.png")
        assert again.shape == there.shape
        assert np.abs(again - there).mean() < 0.002, bars.name


def test_without_results_every_part_says_how_to_measure_it() -> None:
    made = cli.made(Results([]), cli.TEMPLATE.read_text())
    assert made.pictures == []
    for command in ("replay", "philly", "openb", "slurm", "ask", "reports", "lateness", "cli"):
        assert f"no result of `python -m bench {command}" in made.text
    assert "{{" not in made.text


def test_a_name_in_the_template_that_nothing_fills_is_an_error() -> None:
    with pytest.raises(KeyError, match="weather"):
        cli.made(Results([]), "It is {{ weather }}.")


def test_the_page_and_its_pictures_are_written_and_old_pictures_go(tmp_path: Path) -> None:
    made = cli.made(Results(replays(0.4, 0.5, 0.6)), "{{ waiting }}\n")
    old = tmp_path / cli.PICTURES / "old.png"
    old.parent.mkdir(parents=True)
    old.touch()
    cli.write(made, tmp_path)
    assert (tmp_path / cli.PAGE).read_text() == made.text
    assert [path.name for path in old.parent.iterdir()] == ["waiting.png"]
    assert "![Mean bounded slowdown, as a part of EASY's](performance/waiting.png)" in made.text


def test_the_same_bars_give_the_same_file_and_other_bars_another_digest(tmp_path: Path) -> None:
    first, second = tmp_path / "1.png", tmp_path / "2.png"
    pictures.draw(BARS, first)
    pictures.draw(BARS, second)
    assert first.read_bytes() == second.read_bytes()
    assert pictures.drawn(first) == pictures.digest(BARS)
    other = Bars(name="b", title="t", axis="x", labels=["one", "two"], series={"a": [1.0, None], "b": [2.0, 3.1]})
    assert pictures.digest(other) != pictures.digest(BARS)


def test_a_picture_without_a_digest_is_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "other.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IEND" + bytes(4))
    assert pictures.drawn(path) is None


def test_results_are_read_as_they_were_kept_and_the_newest_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "TREE", tmp_path)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    described = {"cores": 2, "load_before": 2.5}
    results.keep(Result(measure="cli", settings={"runs": 3}, machine=described, rows=[{"what": "a", "ms": 1.5}]))
    (one,) = kept.read(tmp_path / "results").all
    assert (one.measure, one.settings, one.rows) == ("cli", {"runs": 3}, [{"what": "a", "ms": 1.5}])
    assert one.busy
    found = Results([a_result("cli", at=1, runs=3), a_result("cli", at=2, runs=5), a_result("cli", at=3, runs=3)])
    assert [(each.settings["runs"], each.at[8:10]) for each in found.each("cli")] == [(3, "03"), (5, "02")]
    newest = found.newest("cli", lambda each: each.settings["runs"] == 5)
    assert newest is not None
    assert newest.at[8:10] == "02"


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"measure": "x", "at": "", "commit": "", "machine": []})])
def test_a_file_that_is_no_result_is_named(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(BadResult, match=r"odd\.json is no result of the bench"):
        kept.read(tmp_path)


def test_the_command_writes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "TREE", tmp_path)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    assert cli.main([]) == 0
    assert "What was measured" in (tmp_path / cli.PAGE).read_text()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "odd.json").write_text("odd")
    assert cli.main([]) == 2
    assert "odd.json is no result" in capsys.readouterr().err
