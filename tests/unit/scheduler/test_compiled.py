"""Where compiled functions are kept is said before they are imported."""

from pathlib import Path

import pytest

from dure import environment
from dure.environment import SettingError
from scheduler.compiled import PREFIX, Compiled, kept_in


def test_numba_is_told_the_folder_which_is_made(tmp_path: Path):
    environ: dict[str, str] = {}
    with kept_in(tmp_path / "a" / "b", environ):
        assert environ == {"NUMBA_CACHE_DIR": str(tmp_path / "a" / "b")}
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_with_no_folder_it_is_numbas_choice():
    environ: dict[str, str] = {}
    with kept_in(None, environ):
        assert environ == {}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(SettingError, match=r"DURE_COMPILED_FOLDER: .*file/x cannot be written"),
        kept_in(tmp_path / "file" / "x", {}),
    ):
        pass


def test_where_numba_finds_no_folder_the_setting_is_named():
    with pytest.raises(SettingError, match=r"DURE_COMPILED_FOLDER: name a folder.* no locator"), kept_in(None, {}):
        raise RuntimeError("cannot cache function 'add': no locator available")


def test_who_only_compiles_needs_no_other_setting():
    environ = {"DURE_COMPILED_FOLDER": "/srv/compiled", "DURE_SCHEDULER_PORT": "1", "DURE_DATABASE_URL": "any"}
    assert environment.read(Compiled, environ, prefix=PREFIX).folder == Path("/srv/compiled")
    with pytest.raises(SettingError, match="did you mean DURE_COMPILED_FOLDER"):
        environment.read(Compiled, {"DURE_COMPILED_FOLDR": "x"}, prefix=PREFIX)


def test_an_empty_folder_begins_with_what_was_compiled_ahead(tmp_path: Path):
    ahead, folder = tmp_path / "image" / "of", tmp_path / "kept"
    ahead.mkdir(parents=True)
    (ahead / "add.1.nbc").write_bytes(b"code")
    (ahead / "add.nbi").write_bytes(b"index")
    with kept_in(folder, {}, ahead=tmp_path / "image"):
        pass
    assert sorted(path.name for path in (folder / "of").iterdir()) == ["add.1.nbc", "add.nbi"]


def test_what_was_compiled_here_is_not_replaced_by_what_was_compiled_ahead(tmp_path: Path):
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "add.nbi").write_bytes(b"of the image")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "add.nbi").write_bytes(b"of this machine")
    with kept_in(tmp_path / "kept", {}, ahead=tmp_path / "image"):
        pass
    assert (tmp_path / "kept" / "add.nbi").read_bytes() == b"of this machine"
