"""The processes keep what they compile in the folder that they are told, or say why they cannot."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.caching import _CacheLocator  # pyright: ignore[reportMissingTypeStubs, reportPrivateUsage]

TREE = Path(__file__).resolve().parents[3]
COMPILED = TREE / "scheduler" / "core" / "compiled"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], **environ}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=TREE, env=env, capture_output=True, text=True, check=False, timeout=280)


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.nb?")}


def keep_all_but(module: str, folder: Path) -> None:
    """Puts into the folder what was compiled beside the source: to compile all of it again takes most of a minute."""
    there = folder / _CacheLocator.get_suitable_cache_subpath(str(COMPILED / f"{module}.py"))
    there.mkdir(parents=True)
    for path in COMPILED.glob("__pycache__/*.nb?"):
        if not path.name.startswith(f"{module}."):
            shutil.copy2(path, there)


@pytest.mark.timeout(600)
def test_what_is_compiled_is_kept_in_the_folder_and_found_there_again(tmp_path: Path) -> None:
    keep_all_but("share", tmp_path)
    before = files(tmp_path)
    assert run("scheduler", "compile", DURE_COMPILED_FOLDER=str(tmp_path)).returncode == 0
    kept = files(tmp_path)
    assert {path.suffix for path in kept.keys() - before.keys() if path.name.startswith("share.")} == {".nbi", ".nbc"}
    assert run("scheduler", "compile", DURE_COMPILED_FOLDER=str(tmp_path)).returncode == 0
    assert files(tmp_path) == kept


@pytest.mark.parametrize("words", [("api",), ("scheduler",), ("scheduler", "compile")], ids=" ".join)
def test_a_folder_that_cannot_be_written_ends_it_with_one_line_and_status_2(words: tuple[str, ...]) -> None:
    done = run(*words, DURE_DATABASE_URL=NOWHERE, DURE_COMPILED_FOLDER="/dev/null/compiled")
    assert done.returncode == 2
    assert done.stderr == (
        f"{words[0]}: DURE_COMPILED_FOLDER: /dev/null/compiled cannot be written (Not a directory); compiled functions are "
        "kept there between starts\n"
    )
