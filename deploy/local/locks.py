"""One owner a folder, for as long as its process lives: the kernel lets go of the lock however that ends."""

import fcntl
import os
from pathlib import Path
from typing import Self

from deploy.local.trouble import CannotStart


class Lock:
    """Held from `take` until `release` or the death of the process; the file names the holder's pid."""

    def __init__(self, path: Path, *, held: str) -> None:
        """`held` is the sentence for whoever comes second; `{pid}` in it is the holder."""
        self._path = path
        self._held = held
        self._file: int | None = None

    def take(self) -> Self:
        """Raises CannotStart with the `held` sentence when another process has the lock."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 32).decode().strip() or "unknown"
            os.close(file)
            raise CannotStart(self._held.format(pid=holder)) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file
        return self

    def release(self) -> None:
        """Does nothing when the lock is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
