"""A secret in a file."""

import stat
from pathlib import Path

import pytest

from dure.cli.secret_file import prepared
from dure.cli.terminal import BadUsage


def test_a_secret_is_put_in_place_whole_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "t"
    with prepared(str(path), replace=False, own=None) as file:
        assert not path.exists()
        file.keep("s")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("s\n", 0o600)


def test_a_replaced_file_gets_the_mode_of_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("old")
    path.chmod(0o644)
    with prepared(str(path), replace=True, own=None) as file:
        file.keep("new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new\n", 0o600)


def test_a_secret_that_was_never_made_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), prepared(str(tmp_path / "t"), replace=False, own=None):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("old")
    for replace, own in ((False, None), (True, path)):
        with pytest.raises(BadUsage), prepared(str(path), replace=replace, own=own):
            pytest.fail("it was prepared")
    assert path.read_text() == "old"
