"""`python -m deploy.docker`, as an operator types it."""

import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parents[4]


def typed(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    # Without what is installed: who has Docker alone makes secrets too.
    command = [sys.executable, "-S", "-m", "deploy.docker", *words]
    return subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)


def test_secrets_are_made_once_by_a_python_that_has_nothing_installed(tmp_path: Path):
    first = typed("secrets", "--folder", tmp_path / "secrets")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == f"{tmp_path / 'secrets'}: made postgres_password, database_url, grafana_password\n"
    again = typed("secrets", "--folder", tmp_path / "secrets")
    assert again.stdout == f"{tmp_path / 'secrets'}: all are there, and none was changed\n"


def test_half_of_a_pair_is_said_with_what_to_do(tmp_path: Path):
    (tmp_path / "database_url").write_text("postgresql://dure:x@postgres:5432/dure")
    done = typed("secrets", "--folder", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"deploy.docker: {tmp_path / 'database_url'} is there without its other half")


def test_without_a_command_one_is_asked_for(tmp_path: Path):
    assert typed().returncode == 2
