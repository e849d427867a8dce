"""A process of ours: started, watched, started again after a growing pause when it dies, and stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

STOP_S = 15.0
"""How long a process may take to end cleanly before it is killed."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0
"""A process that lived this long is forgiven its earlier deaths."""


class Part(Protocol):
    """What the supervisor keeps alive: a `Child`, or the embedded PostgreSQL."""

    @property
    def name(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def log(self) -> Path: ...
    def launch(self) -> None: ...
    def exited(self) -> int | None: ...
    def stop(self) -> None: ...


class Child:
    """One of the real processes, in a session of its own so that a Ctrl-C at the terminal reaches the supervisor alone."""

    def __init__(
        self,
        name: str,
        command: tuple[str, ...],
        *,
        environ: Mapping[str, str],
        folder: Path,
        log: Path,
        stop_s: float = STOP_S,
    ) -> None:
        """`folder` is where it runs: the root of the source tree. `log` takes what it prints."""
        self.name = name
        self.log = log
        self._command = command
        self._environ = dict(environ)
        self._folder = folder
        self._stop_s = stop_s
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    def launch(self) -> None:
        self._asked = False
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environ,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def exited(self) -> int | None:
        """The exit status, negative for a signal; None while it runs or was never started."""
        return self._process.poll() if self._process else None

    def ask_to_stop(self) -> None:
        """SIGTERM, once, without waiting: a second one may mean something else to the process."""
        if self.pid and not self._asked and self._process:
            self._process.terminate()
            self._asked = True

    def stop(self) -> None:
        """Asks, then kills its whole session; returns when it is gone. Does nothing when it does not run."""
        self.ask_to_stop()
        if self._process is None:
            return
        try:
            self._process.wait(self._stop_s)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@dataclass(slots=True, kw_only=True)
class Watch:
    """When a part that died is started again. Times are monotonic seconds."""

    part: Part
    began: float = field(default_factory=time.monotonic)
    deaths: int = 0
    again_at: float | None = None

    def died(self, now: float) -> float:
        """Notes a death and answers the pause before the next start, in seconds."""
        self.deaths = 1 if now - self.began > STEADY_S else self.deaths + 1
        pause = min(FIRST_PAUSE_S * 2 ** (self.deaths - 1), LONGEST_PAUSE_S)
        self.again_at = now + pause
        return pause

    def due(self, now: float) -> bool:
        """True when the part is dead and its pause is over."""
        return self.again_at is not None and now >= self.again_at

    def started(self, now: float) -> None:
        self.began = now
        self.again_at = None
