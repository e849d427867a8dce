"""The secrets of one machine's Dure are made up once."""

import stat
from pathlib import Path

import pytest

from deploy.docker import passwords


def test_what_is_missing_is_made_and_what_is_there_stays(tmp_path: Path):
    assert passwords.make(tmp_path / "secrets") == ["postgres_password", "database_url", "grafana_password"]
    before = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    (tmp_path / "secrets" / "grafana_password").unlink()
    assert passwords.make(tmp_path / "secrets") == ["grafana_password"]
    after = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert after.pop("grafana_password") != before.pop("grafana_password")
    assert after == before


def test_the_url_has_the_password_that_the_database_is_made_with(tmp_path: Path):
    passwords.make(tmp_path)
    password = (tmp_path / "postgres_password").read_text()
    assert (tmp_path / "database_url").read_text() == f"postgresql://dure:{password}@postgres:5432/dure"


def test_only_the_folders_owner_comes_to_files_that_every_container_can_read(tmp_path: Path):
    passwords.make(tmp_path / "secrets")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()} == {0o444}


@pytest.mark.parametrize("lost", ["postgres_password", "database_url"])
def test_half_of_a_pair_is_not_made_up_anew(lost: str, tmp_path: Path):
    passwords.make(tmp_path)
    (tmp_path / lost).unlink()
    with pytest.raises(ValueError, match="without its other half"):
        passwords.make(tmp_path)
