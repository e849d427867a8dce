"""A library with NVML's ABI that answers from a scenario: compiled by gcc, and changed while a process reads it."""

import mmap
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SOURCES = [Path(__file__).with_name(name) for name in ("library.c", "scenario.c")]
NAME = "libnvidia-ml.so.1"
SIZE = 65536


def compiler() -> str | None:
    return shutil.which("gcc") or shutil.which("cc")


def build(folder: Path, *, old: bool = False) -> Path:
    """The folder, with the library in it. An `old` one lacks what came with R510 and later."""
    found = compiler()
    if found is None:
        raise FileNotFoundError("no C compiler is here: install gcc")
    options = ["-Wall", "-Wextra", "-O2", "-shared", "-fPIC", *(["-DOLD"] if old else [])]
    subprocess.run([found, *options, "-o", folder / NAME, *SOURCES, "-lpthread"], check=True)
    return folder


class Scenario:
    """What the library answers, as `name=value` lines that scenario.c documents. Every process that has the file sees a change at its
    next call."""

    def __init__(self, path: Path, lines: Mapping[str, object] | None = None) -> None:
        self.path = path
        self._lines: dict[str, str] = {}
        self._generation = 0
        self._xids = 0
        path.write_bytes(bytes(SIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), SIZE)
        self.set(lines or {})

    def set(self, lines: Mapping[str, object]) -> None:
        self._lines.update({name: str(value) for name, value in lines.items()})
        self._write()

    def remove(self, *names: str) -> None:
        for name in names:
            del self._lines[name]
        self._write()

    def xid(self, gpu: int, number: int) -> None:
        """Tells of one XID, once, to whoever waits."""
        self._xids += 1
        self.set({f"xid.{self._xids}": f"{gpu}:{number}"})

    @contextmanager
    def hang(self, function: str, *, gpu: int | None = None) -> Iterator[None]:
        """Calls of the function do not return before the `with` is left."""
        name = f"hang.{function}" if gpu is None else f"gpu.{gpu}.hang.{function}"
        with self.said({name: 1}):
            yield

    @contextmanager
    def said(self, lines: Mapping[str, object]) -> Iterator[None]:
        """The lines hold until the `with` is left; what they replaced is put back."""
        before = dict(self._lines)
        self.set(lines)
        try:
            yield
        finally:
            self._lines = before
            self._write()

    def _write(self) -> None:
        """Odd while it is written, so that nobody takes half of it for the whole."""
        body = "".join(f"{name}={value}\n" for name, value in self._lines.items()).encode(errors="surrogateescape")
        if len(body) > SIZE - 16:
            raise ValueError(f"a scenario has at most {SIZE - 16} bytes, not {len(body)}")
        self._stamp(self._generation + 1)
        self._map[8 : 8 + len(body) + 1] = body + b"\0"
        self._stamp(self._generation + 2)
        self._generation += 2

    def _stamp(self, generation: int) -> None:
        self._map[:8] = generation.to_bytes(8, "little")
