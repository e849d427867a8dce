"""One value on disk, written again and again, of which a whole one is left whenever the writer is killed.

It has three files. A write goes to the one that is neither the newest nor the newest that is surely on disk, so that a
kill spoils a value that was about to be replaced, and a loss of power leaves at least what was last synced.
"""

import json
import os
import stat
import zlib
from pathlib import Path
from typing import Any

COUNT = 3
MOST_BYTES = 64 << 20


class Slots:
    """`name.0` to `name.2` in `folder`. Everything here may raise OSError."""

    def __init__(self, folder: Path, name: str) -> None:
        self._paths = tuple(folder / f"{name}.{index}" for index in range(COUNT))
        self._number = 0
        self._newest = 0
        self._synced = 0
        self.size = 0
        """Bytes of all the files, at most."""

    def load(self) -> tuple[Any, int]:
        """The newest whole value, None if there is none, and how many of the files are damaged."""
        value, damaged = None, 0
        for index, path in enumerate(self._paths):
            found = _read(path)
            if found is None:
                continue
            self.size = max(self.size, COUNT * len(found))
            opened = _opened(found)
            if opened is None:
                damaged += 1
            elif opened[0] > self._number:
                self._number, value = opened
                self._newest = self._synced = index
        return value, damaged

    def write(self, value: Any, *, sync: bool) -> None:
        """Puts `value` into the place of the last one; with `sync` it outlives a loss of power once this returns."""
        index = next(index for index in range(COUNT) if index not in (self._newest, self._synced))
        content = _closed(self._number + 1, value)
        descriptor = os.open(self._paths[index], os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        try:
            _write_all(descriptor, content)
            if sync:
                os.ftruncate(descriptor, len(content))
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._number, self._newest = self._number + 1, index
        self._synced = index if sync else self._synced
        self.size = max(self.size, COUNT * len(content))


def _closed(number: int, value: Any) -> bytes:
    content = f"{number} ".encode() + json.dumps(value, separators=(",", ":")).encode()
    return b"%08x %d " % (zlib.crc32(content), len(content)) + content


def _opened(found: bytes) -> tuple[int, Any] | None:
    """The number and the value; None if it is not whole."""
    try:
        checksum, length, rest = found.split(b" ", 2)
        content = rest[: int(length)]
        if len(content) != int(length) or zlib.crc32(content) != int(checksum, 16):
            return None
        number, value = content.split(b" ", 1)
        return int(number), json.loads(value)
    except (ValueError, RecursionError):
        return None


def _read(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no plain file")
        return file.read(MOST_BYTES)


def _write_all(descriptor: int, content: bytes) -> None:
    at = 0
    while at < len(content):
        at += os.pwrite(descriptor, content[at:], at)
