"""Where the data lies, and who may read it."""

import os
from pathlib import Path

import pytest

from deploy.local import folder
from deploy.local.folder import Folder
from deploy.local.trouble import CannotStart
from tests import servers


@pytest.mark.parametrize("home", ["/root/dure", "/home/somebody/dure", "/root"])
def test_root_may_not_keep_its_data_in_a_home(home: str) -> None:
    with pytest.raises(CannotStart, match=f"DURE_LOCAL_DATA={home} lies in the home"):
        folder.refuse_home(Path(home))


@pytest.mark.parametrize("outside", ["/var/lib/dure", "/srv/dure", "/tmp/dure"])
def test_root_may_keep_its_data_outside_every_home(outside: str) -> None:
    folder.refuse_home(Path(outside))


def test_root_may_not_keep_its_data_where_its_postgresql_cannot_pass(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(CannotStart, match="other users may not pass"):
        folder.refuse_closed(tmp_path / "data")


def test_the_default_is_no_home_for_root_and_the_own_home_for_others() -> None:
    found = folder.default()
    assert found == Path("/var/lib/dure") if os.geteuid() == 0 else found.is_relative_to(Path.home())


def test_the_folder_is_closed_but_for_the_passage_of_roots_postgresql() -> None:
    with servers.folder("folder") as made:
        data = Folder(made / "data")
        data.make()
        assert data.root.stat().st_mode & 0o777 == (0o711 if os.geteuid() == 0 else 0o700)
        assert data.logs.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="set DURE_LOCAL_DATA"):
        Folder(tmp_path / "file" / "data").make()


def test_new_logs_begin_and_the_last_ones_are_kept(tmp_path: Path) -> None:
    data = Folder(tmp_path)
    data.logs.mkdir()
    for text in ("first", "second"):
        data.log("api").write_text(text)
        data.turn_logs()
    assert [log.name for log in data.logs.iterdir()] == ["api.log.1"]
    assert (data.logs / "api.log.1").read_text() == "second"
