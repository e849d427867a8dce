"""Events on disk: one a line, appended, until they are taken. Its memory does not grow with what waits in it.

Each line has a checksum; one that is damaged is passed over and counted. What was taken is appended too. When most of the
file is of no more use, what is left is written to a new file that takes its place.
"""

import json
import os
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import Any

from agents.reporting.wire import Json

LONGEST_LINE = 16 << 10
COMPACT_BYTES = 64 << 10
"""A file smaller than this is not worth writing anew."""

KEPT_PART = 0.9
"""What is left of a journal that became too large, so that not every event makes it anew."""

Line = tuple[int, Any]
"""Where a line ends, and what it says; None if it is damaged."""


class Journal:
    """Everything here may raise OSError; then open it anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _plain(path)
        self.last_id = 0
        """The greatest id there ever was, as far as it is known."""
        self.waiting = 0
        """Events that are not taken."""
        self.damaged = 0
        self._head = 0
        self._size = 0
        self._taken = 0
        try:
            self._load()
        except OSError:
            self._file.close()
            raise

    @property
    def size(self) -> int:
        """In bytes, with what is taken and not cut off yet."""
        return self._size

    def close(self) -> None:
        self._file.close()

    def first(self, limit: int) -> list[Json]:
        """The oldest events that are not taken."""
        return list(islice(self._waiting(), limit))

    def append(self, events: Iterable[Json], *, most_bytes: int) -> int:
        """Adds events with ids greater than any before; they are on disk when this returns. The oldest make room where all
        would be more than `most_bytes`; returns how many did."""
        new = list(events)
        if not new:
            return 0
        self._add(b"".join(map(_closed, new)))
        self.last_id = new[-1]["id"]
        self.waiting += len(new)
        return self._shrink(most_bytes)

    def take(self, upto: int) -> None:
        """Events up to this id are not told again, whatever happens."""
        if upto <= self._taken:
            return
        self._add(_closed({"taken": upto}))
        self._taken = upto
        self.waiting -= self._pass_taken()
        if self._head > COMPACT_BYTES and self._head > self._size // 2:
            self._compact()

    def renumber(self, above: int) -> None:
        """Gives what waits new ids greater than `above`: who takes them has greater ones of this node already."""
        self._compact(above)

    def _load(self) -> None:
        events = 0
        for _, said in self._lines(0):
            if said is None:
                self.damaged += 1
                continue
            events += "id" in said
            self.last_id = max(self.last_id, said.get("id", 0), said.get("last", 0), said.get("taken", 0))
            self._taken = max(self._taken, said.get("taken", 0))
        self._size = os.fstat(self._file.fileno()).st_size
        self.waiting = events - self._pass_taken()
        if self.damaged:
            # Such as the line that was being written when the agent was killed: what comes next must not be a part of it.
            self._compact()

    def _pass_taken(self) -> int:
        """Moves the head to the first event that is not taken; returns how many it passed."""
        passed = 0
        for end, said in self._lines(self._head):
            if said is not None and said.get("id", 0) > self._taken:
                break
            passed += said is not None and "id" in said
            self._head = end
        return passed

    def _shrink(self, most_bytes: int) -> int:
        """Drops the oldest until there is room again; returns how many."""
        if self._size <= most_bytes:
            return 0
        for end, said in self._lines(self._head):
            self._taken = max(self._taken, 0 if said is None else said.get("id", 0))
            if self._size - end <= KEPT_PART * most_bytes:
                break
        dropped = self._pass_taken()
        self.waiting -= dropped
        self._compact()
        return dropped

    def _compact(self, above: int | None = None) -> None:
        """Writes what waits to a new file, which takes this one's place at once."""
        beside = self._path.with_suffix(".new")
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        last = self.last_id if above is None else max(self.last_id, above)
        with os.fdopen(descriptor, "r+b", buffering=1 << 16) as new:
            new.write(_closed({"last": last, "taken": self._taken}))
            self.waiting = 0
            for said in self._waiting():
                self.waiting += 1
                new.write(_closed(said if above is None else {**said, "id": last + self.waiting}))
            new.flush()
            os.fsync(descriptor)
        beside.replace(self._path)
        _sync_folder(self._path.parent)
        self._file.close()
        self._file = _plain(self._path)
        self._size = os.fstat(self._file.fileno()).st_size
        self.last_id = last if above is None else last + self.waiting
        self._head = 0
        self._pass_taken()

    def _waiting(self) -> Iterator[Json]:
        return (said for _, said in self._lines(self._head) if said is not None and said.get("id", 0) > self._taken)

    def _add(self, content: bytes) -> None:
        at = self._size
        while content:
            written = os.pwrite(self._file.fileno(), content, at)
            at, content = at + written, content[written:]
        os.fsync(self._file.fileno())
        self._size = at

    def _lines(self, begin: int) -> Iterator[Line]:
        """The lines that are whole, from the byte `begin` on."""
        with os.fdopen(os.dup(self._file.fileno()), "rb", buffering=1 << 16) as file:
            file.seek(begin)
            while line := file.readline(LONGEST_LINE):
                if line != b"\n":
                    yield file.tell(), _opened(line)


def _closed(said: Json) -> bytes:
    content = json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()
    return b"%08x %s\n" % (zlib.crc32(content), content)


def _opened(line: bytes) -> Json | None:
    checksum, _, content = line.rstrip(b"\n").partition(b" ")
    with suppress(ValueError, RecursionError):
        if line.endswith(b"\n") and zlib.crc32(content) == int(checksum, 16):
            said = json.loads(content)
            return said if isinstance(said, dict) else None
    return None


def _plain(path: Path) -> FileIO:
    """Opens it, never waiting for what is no file. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no plain file")
    return FileIO(descriptor, "r+")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
