"""What a user installs."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[3]


def test_the_wheel_holds_dure_and_nothing_else(tmp_path: Path) -> None:
    private = TREE / ".dure" / "uv" / "bin" / "uv"
    uv = shutil.which("uv") or (str(private) if os.access(private, os.X_OK) else None)
    if uv is None:
        pytest.skip("uv is not here: pip install uv")
    subprocess.run(
        [uv, "build", "--wheel", "--quiet", "--out-dir", str(tmp_path), str(TREE)],
        check=True,
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"},
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"dure"}
    assert "dure/wire/__init__.py" in names
