"""A terminal whose keys are read one by one, and given back as it was: whatever ends the program in between."""

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from types import FrameType, TracebackType
from typing import Any, Self

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ESCAPE = "\x1b"


class Keyboard:
    """Between `with` and its end. Where stdin is no terminal no keys come, and signals still do."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._saved: list[Any] | None = None
        self._handlers: dict[signal.Signals, Any] = {}
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.ended: int | None = None
        """The signal that told the program to end."""

    def __enter__(self) -> Self:
        for number in (signal.SIGWINCH, *ENDS):
            self._handlers[number] = signal.signal(number, self._signalled)
        if self._fd is not None:
            self._saved = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)
            self._without_suspending(self._fd)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd is not None and self._saved is not None:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def wake(self) -> None:
        """Ends a `wait`; from any thread."""
        # Where it is full there are reasons enough already.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake, b".")

    def wait(self, seconds: float) -> str:
        """The keys that were pressed; empty after so long, and when it was woken or the screen has another size."""
        watched = [self._woken] if self._fd is None else [self._woken, self._fd]
        ready, _, _ = select.select(watched, [], [], max(0.0, seconds))
        if self._woken in ready:
            os.read(self._woken, 4096)
        if self._fd not in ready or self._fd is None:
            return ""
        # Nothing to read: the terminal is gone.
        return os.read(self._fd, 256).decode(errors="ignore") or "q"

    def _signalled(self, number: int, _: FrameType | None) -> None:
        if number in ENDS:
            self.ended = number
        self.wake()

    def _without_suspending(self, fd: int) -> None:
        """A program that is stopped would leave its screen to the shell."""
        changed = termios.tcgetattr(fd)
        changed[6][termios.VSUSP] = b"\x00"
        termios.tcsetattr(fd, termios.TCSADRAIN, changed)
