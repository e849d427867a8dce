"""What is kept of sick GPUs on a disk that may be full, read-only, damaged or of another version."""

import json
from pathlib import Path

import pytest

from agents.health.judging import Finding, State
from agents.health.remembered import Folder, Nowhere, ask_to_forget
from agents.health.signs import Counters

STATES = {
    "GPU-a": State(
        counters=Counters(energy_millijoules=5, ecc_uncorrected=0, nvlinks_most=18, pcie_replays=(3.5, 7)),
        findings=(
            Finding(key="xid 94", at=12.5, since=1.8e9, boot="b1", pids=frozenset({8, 7})),
            Finding(key="trouble", at=12.5, since=1.8e9, detail="Timeout é", clean_at=13.5, clean_wall=1.8e9),
        ),
        falls=(1.0, 12.5),
        health="suspect",
    ),
    "GPU-b": State(),
}


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.__dict__["action"] for record in caplog.records if record.levelname == "ERROR"]


def test_what_was_kept_is_had_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "not" / "there yet")
    folder.keep("b1", STATES)
    folder.flush()

    assert Folder(tmp_path / "not" / "there yet").load() == ("b1", STATES)


def test_the_newest_is_kept_however_fast_it_changes(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for count in range(200):
        folder.keep("b1", {"GPU-a": State(falls=(float(count),))})
    folder.flush()

    assert Folder(tmp_path).load() == ("b1", {"GPU-a": State(falls=(199.0,))})


def test_nothing_was_kept_yet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert Folder(tmp_path / "none").load() == (None, {})
    assert Nowhere().load() == (None, {})
    assert errors(caplog) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param('{"version": 1, "boot": "b1", "gpus": {"GPU-a": {"hea', id="cut off"),
        pytest.param('{"version": 2, "boot": "b1", "gpus": {}}', id="of another version"),
        pytest.param("[]", id="a list"),
        pytest.param('{"version": 1, "boot": 3, "gpus": {}}', id="a boot that is no text"),
        pytest.param('{"version": 1, "boot": null, "gpus": []}', id="GPUs in a list"),
        pytest.param('{"version": 1, "boot": null, "gpus": {"GPU-a": {}}}', id="a GPU without its state"),
        pytest.param(
            '{"version": 1, "boot": null, "gpus": {"GPU-a": {"counters": {}, "findings": [], "falls": [], "health": "fine"}}}',
            id="a health that is none",
        ),
        pytest.param(
            '{"version": 1, "boot": null, "gpus": {"GPU-a": {"counters": {"new": 1}, "findings": [], "falls": [], "health": "ok"}}}',
            id="a counter that nobody knows",
        ),
        pytest.param("\udcff", id="no text at all"),
    ],
)
def test_a_damaged_file_is_put_aside_and_said(text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "health.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    folder = Folder(tmp_path)

    assert folder.load() == (None, {})
    assert errors(caplog) == ["health.damaged"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["health.damaged"]
    folder.keep("b1", STATES)
    folder.flush()
    assert Folder(tmp_path).load() == ("b1", STATES)


def test_every_byte_of_the_file_may_be_wrong(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.keep("b1", STATES)
    folder.flush()
    good = (tmp_path / "health.json").read_bytes()
    for at in range(0, len(good), 3):
        (tmp_path / "health.json").write_bytes(good[:at] + b"[" + good[at + 1 :])
        boot, states = Folder(tmp_path).load()
        assert boot is None or all(isinstance(state, State) for state in states.values())


def test_a_folder_that_cannot_be_used_is_said_once_and_again_after_it_could(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "state"
    place.write_text("a file where the folder should be")
    folder = Folder(place)
    for _ in range(3):
        folder.keep("b1", STATES)
        folder.flush()
    assert errors(caplog) == ["health.not_kept"]
    place.unlink()
    folder.keep("b1", STATES)
    folder.flush()
    assert json.loads((place / "health.json").read_text())["boot"] == "b1"
    (place / "health.json").unlink()
    place.rmdir()
    place.write_text("again")
    folder.keep("b1", STATES)
    folder.flush()

    assert errors(caplog) == ["health.not_kept", "health.not_kept"]


def test_a_full_disk_leaves_what_was_kept_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = Folder(tmp_path)
    folder.keep("b1", STATES)
    folder.flush()
    # Every write to this device fails as on a full disk.
    (tmp_path / "health.new").symlink_to("/dev/full")
    folder.keep("b2", {})
    folder.flush()

    assert Folder(tmp_path).load() == ("b1", STATES)
    assert errors(caplog) == ["health.not_kept"]


def test_a_file_that_may_not_be_read_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "health.json").mkdir()

    assert Folder(tmp_path).load() == (None, {})
    assert errors(caplog) == ["health.not_kept"]


def test_what_is_to_be_forgotten_is_told_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert list(folder.forgotten()) == []
    folder.flush()
    ask_to_forget(tmp_path, "GPU-a")
    ask_to_forget(tmp_path, "GPU-a")
    told: list[str] = []
    for _ in range(3):
        told += folder.forgotten()
        folder.flush()

    assert told == ["GPU-a"]
    assert [path.name for path in tmp_path.iterdir()] == ["forget"]


def test_what_was_said_while_no_agent_ran_is_heard_as_one_starts(tmp_path: Path) -> None:
    ask_to_forget(tmp_path, "GPU-a")
    folder = Folder(tmp_path)
    folder.load()

    assert list(folder.forgotten()) == ["GPU-a"]


def test_what_cannot_be_taken_away_is_not_forgotten_and_hides_nothing(tmp_path: Path) -> None:
    ask_to_forget(tmp_path, "GPU-a")
    ask_to_forget(tmp_path, "GPU-b")
    for name in ("GPU", "GPU-aa", "GPU-z"):
        (tmp_path / "forget" / name).mkdir()
    folder = Folder(tmp_path)
    folder.load()

    assert sorted(folder.forgotten()) == ["GPU-a", "GPU-b"]


def test_what_cannot_be_written_down_is_said_once_and_what_can_is_kept_after_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Folder(tmp_path)
    # Half of a character that the driver said, which no encoding takes.
    for at in (1.0, 2.0):
        folder.keep("b1\udcff", {"GPU-a": State(findings=(Finding(key="trouble", at=at, since=at),))})
        folder.flush()
    folder.keep(object(), STATES)  # pyright: ignore[reportArgumentType]
    folder.flush()
    assert errors(caplog) == ["health.not_kept"]
    folder.keep("b1", STATES)
    folder.flush()

    assert Folder(tmp_path).load() == ("b1", STATES)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "../health.json", "a/b"])
def test_what_is_no_gpu_cannot_be_forgotten(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not the UUID of a GPU"):
        ask_to_forget(tmp_path, name)
