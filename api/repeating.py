"""Something that is done beside the requests, again and again, on a thread of its own."""

import time
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import Self


class Repeating:
    """From `with` to its end: `work` at once, and `every_s` after it began again, or as it ends if that is later. What it raises is its own to catch."""

    def __init__(self, name: str, work: Callable[[], object], *, every_s: float) -> None:
        self._work, self._every_s = work, every_s
        self._stop = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            due = time.monotonic() + self._every_s
            self._work()
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
