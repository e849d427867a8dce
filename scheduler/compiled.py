"""Where the calendar's compiled functions are kept between runs: said to numba before anything imports it.

Imports nothing of the calendar, so that a process can read its settings first.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from dure.environment import SettingError

PREFIX = "DURE_COMPILED_"
NUMBAS = "NUMBA_CACHE_DIR"
"""What numba itself reads, as it is imported."""

AHEAD = Path(__file__).resolve().parents[1] / "compiled"
"""Where the build of an image puts what it compiled: the image cannot be written as it runs, and numba uses no folder that
it cannot write.
"""

CompiledFolder = Annotated[
    Path | None,
    Field(
        description="the folder in which compiled functions are kept between starts; beside the source where nothing is said"
    ),
]
"""Of a setting."""


class Compiled(BaseModel):
    """For who only compiles."""

    model_config = ConfigDict(frozen=True)

    folder: CompiledFolder = None


@contextmanager
def kept_in(folder: Path | None, environ: MutableMapping[str, str], *, ahead: Path = AHEAD) -> Iterator[None]:
    """Around the import of what is compiled. With no folder it is numba's choice: its own setting, or beside the source.
    An empty folder begins with what was compiled `ahead`, where that is there.

    Raises SettingError where the folder cannot be written.
    """
    if folder is not None:
        environ[NUMBAS] = str(_written(folder))
        _begin(folder, ahead)
    try:
        yield
    except RuntimeError as error:  # numba's, which found no folder that it may write
        raise SettingError(f"{PREFIX}FOLDER: name a folder that can be written; without it, {error}") from None


def _written(folder: Path) -> Path:
    """The folder, which is there and was written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder.absolute()
    except OSError as error:
        raise SettingError(
            f"{PREFIX}FOLDER: {folder} cannot be written ({error.strerror}); compiled functions are kept there between starts"
        ) from None


def _begin(folder: Path, ahead: Path) -> None:
    """Copies what is not there yet. The index of a function names its code, so it appears after that, and whole."""
    for file in sorted(ahead.rglob("*.nb[ci]")):
        there = folder / file.relative_to(ahead)
        if there.exists():
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        part = there.with_name(f".{there.name}.{os.getpid()}")
        shutil.copyfile(file, part)
        part.replace(there)
