"""Where the real data are that are not in this tree."""

import os
from pathlib import Path

from bench import machine

BESIDE = machine.TREE.parent / "shared" / "data"


class NoData(Exception):
    """The sentence says what is not there, and what to do."""


def find(name: str) -> Path:
    """A file or folder of the data by its name, for example `pwa`; raises NoData when it is not there."""
    folder = Path(os.environ.get("DURE_DATA") or BESIDE)
    found = folder / name
    if not found.exists():
        raise NoData(f"{name} is not in {folder}: say where the folder of data is with DURE_DATA")
    return found
