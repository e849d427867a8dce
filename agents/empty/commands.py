"""Runs somebody else's command with a time limit, and nothing of it is left when it ended. For what scrubs and checks GPUs.

Blocks its caller, so it is called on a thread of its own. It is imported only where a command is set.
"""

import contextlib
import os
import select
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_TAIL_BYTES = 300
_CHUNK = 65_536

LOOK_S = 0.1
"""How often it looks whether a command ended: it may end while others, whom it started, hold on to its output."""

STOPPED = "it was stopped, as the GPU is needed or the agent ends"

HIDDEN = "DURE_AGENT_"
"""The agent's own settings are no business of a command."""


def split(text: str) -> tuple[str, ...]:
    """As a shell would. Raises ValueError where it cannot, or where nothing is left."""
    found = tuple(shlex.split(text))
    if not found:
        raise ValueError("the command is empty")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended: `wrong` is None where it succeeded, and says what its last words were otherwise."""

    wrong: str | None
    took_s: float


class Command:
    """One run. `stop` may be called from any thread, before it began too."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], *, limit_s: float) -> None:
        self._words = words
        self._environment = environment
        self._limit_s = limit_s
        self._stopped = threading.Event()
        self._group: int | None = None
        self._is_starting = self._is_running = False
        self._lock = threading.Lock()

    def owns(self, pid: int) -> bool | None:
        """Whether that process of the host is one that it started; None where it is gone, or nobody can tell yet."""
        if self._is_starting:
            return None
        try:
            return os.getpgid(pid) == self._group
        except OSError:
            return None

    def stop(self) -> None:
        self._stopped.set()
        self._kill()

    def run(self) -> Ended:
        began = time.monotonic()
        if self._stopped.is_set():
            return Ended(wrong=STOPPED, took_s=0.0)
        try:
            process = self._start()
        except (OSError, ValueError) as error:
            self._is_starting = False
            return Ended(wrong=f"it cannot be started: {error}", took_s=0.0)
        tail = self._follow(process, began + self._limit_s)
        took_s = time.monotonic() - began
        return Ended(wrong=self._wrong(process.returncode, tail, took_s), took_s=took_s)

    def _start(self) -> subprocess.Popen[bytes]:
        self._is_starting = True
        kept = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
        process = subprocess.Popen(
            self._words,
            env={**kept, **self._environment},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with self._lock:
            self._group, self._is_running = process.pid, True
        self._is_starting = False
        if self._stopped.is_set():
            self._kill()
        return process

    def _follow(self, process: subprocess.Popen[bytes], until: float) -> bytes:
        """Reads what it says until it ended or its time is over; its last words. Whoever it started ends with it."""
        assert process.stdout is not None
        pipe: int | None = process.stdout.fileno()
        tail = b""
        try:
            while (left := until - time.monotonic()) > 0:
                is_over = _has_ended(process.pid)
                more = _read(pipe, 0.0 if is_over else min(LOOK_S, left))
                tail = (tail + (more or b""))[-MAX_TAIL_BYTES:]
                pipe = None if more == b"" else pipe
                if is_over:
                    break
        finally:
            # Its leader is not waited for yet, so its group's number is nobody else's.
            self._kill()
            with self._lock:
                self._is_running = False
            process.stdout.close()
            process.wait()
        return tail

    def _kill(self) -> None:
        with self._lock:
            if self._is_running and self._group is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._group, signal.SIGKILL)

    def _wrong(self, status: int, tail: bytes, took_s: float) -> str | None:
        if self._stopped.is_set():
            return STOPPED
        if status == 0:
            return None
        said = " ".join(tail.decode("utf-8", "replace").split())
        if took_s >= self._limit_s:
            how = f"stopped after {self._limit_s:.0f} s"
        else:
            how = f"exit {status}" if status > 0 else f"killed by signal {-status}"
        return f"{how}: {said}" if said else how


def _has_ended(pid: int) -> bool:
    """It stays a zombie, which keeps its number."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _read(pipe: int | None, wait_s: float) -> bytes | None:
    """What it said within that time, which is no more than a pipe holds; nothing at its end, None where it said nothing."""
    ready, _, _ = select.select([] if pipe is None else [pipe], [], [], wait_s)
    return os.read(ready[0], _CHUNK) if ready else None
