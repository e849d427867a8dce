"""dure top in a real terminal, on the real API: keys, another size, an API that goes away, and the terminal given back."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from tests.integration.api.conftest import Site

TREE = Path(__file__).resolve().parents[3]
WITHIN_S = 60.0
STYLE = re.compile(r"\x1b\[[0-9;]*m")
LEAVES = "\x1b[?1049l"
"""How a program leaves the screen that it took for itself, so that what was there before is there again."""


class Terminal:
    """A pseudo-terminal in which `dure top` runs; `said` is all that it wrote."""

    def __init__(self, site: Site, home: Path, *words: str, who: str = "admin", server: str | None = None) -> None:
        self._ours, self._theirs = pty.openpty()
        self.resize(100, 40)
        self.before: list[Any] = termios.tcgetattr(self._theirs)
        self.said = ""
        environ = {
            "HOME": str(home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PATH": os.environ["PATH"],
        }
        environ |= {"DURE_SERVER": server or site.url, "DURE_TOKEN": site.secrets.get(who, who)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from dure.cli import main; main()", "top", "--interval", "1s", *words],
            cwd=TREE,
            env=environ,
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def until(self, pattern: str, *, after: int = 0) -> int:
        """Reads on until the pattern is in what was said after that place; the place behind it."""
        deadline = time.monotonic() + WITHIN_S
        while (found := re.search(pattern, self.said[after:])) is None:
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.said[-3000:]!r}"
            self._read(0.5)
        return after + found.end()

    def ended(self) -> int:
        """The exit code. What it writes is read on, or it might not come to an end."""
        deadline = time.monotonic() + WITHIN_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.said
            self._read(0.1)
        self._read(0.5)
        return self.process.returncode

    def is_as_before(self) -> bool:
        return termios.tcgetattr(self._theirs) == self.before

    def _read(self, seconds: float) -> None:
        while select.select([self._ours], [], [], seconds)[0]:
            self.said = STYLE.sub("", self.said + os.read(self._ours, 65_536).decode(errors="replace"))
            seconds = 0


@pytest.fixture
def terminal(site: Site, tmp_path: Path) -> Iterator[Terminal]:
    with Terminal(site, tmp_path) as found:
        yield found


def test_it_lives_in_the_terminal_and_gives_it_back(terminal: Terminal) -> None:
    terminal.until(r"h100")
    assert not terminal.is_as_before(), "keys are read one by one"
    at = terminal.until(r"nodes")
    terminal.resize(30, 20)
    terminal.process.send_signal(signal.SIGWINCH)
    at = terminal.until(r"POOL +FREE +HELD +SICK +QUEUED *\r", after=at)
    terminal.press("r")
    terminal.until(r"h100", after=at)
    terminal.press("q")
    assert terminal.ended() == 0
    assert LEAVES in terminal.said
    assert terminal.is_as_before()


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_however_it_is_ended_the_terminal_is_given_back(terminal: Terminal, how: signal.Signals, code: int) -> None:
    terminal.until(r"h100")
    terminal.process.send_signal(how)
    assert terminal.ended() == code
    assert LEAVES in terminal.said
    assert terminal.is_as_before()


def test_an_api_that_is_not_there_is_waited_for(site: Site, tmp_path: Path) -> None:
    with Terminal(site, tmp_path, server="http://127.0.0.1:1") as terminal:
        at = terminal.until(r"no answer yet: http://127.0.0.1:1 cannot be reached")
        terminal.until(r"no answer yet", after=at)
        terminal.press("q")
        assert terminal.ended() == 0
        assert terminal.is_as_before()


def test_a_token_that_is_not_taken_ends_it_with_what_is_wrong(site: Site, tmp_path: Path) -> None:
    with Terminal(site, tmp_path, who="dure_nobody") as terminal:
        assert terminal.ended() == 5
        assert "token_invalid" in terminal.said.rpartition(LEAVES)[2]
        assert terminal.is_as_before()


def test_a_company_sees_pools_and_its_own_leases_and_no_nodes(site: Site, tmp_path: Path) -> None:
    with Terminal(site, tmp_path, who="acme") as terminal:
        terminal.until(r"h100")
        terminal.press("q")
        assert terminal.ended() == 0
        assert "nodes" not in terminal.said
