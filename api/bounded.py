"""Work that may hang, waited for no longer than it is worth: a database that stands still answers nothing for ever."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread
from typing import TypeVar

from dure.errors import Unavailable

R = TypeVar("R")

AT_ONCE = 2
"""What hangs holds one of these until it ends, and no more than these of the process's connections."""


class Crowded(Exception):
    """As much of this work is under way as may be."""


class Bounded:
    """Some work at once, each on a thread of its own."""

    def __init__(self) -> None:
        self._free = BoundedSemaphore(AT_ONCE)

    def within(self, seconds: float, work: Callable[[], R]) -> R:
        """What `work` gives or raises. Raises Unavailable where that takes longer, and it is left to end by itself then; and Crowded
        at once where others wait: whoever waits here keeps a thread from those who ask for something else.
        """
        if not self._free.acquire(blocking=False):
            raise Crowded
        found: Future[R] = Future()
        Thread(target=self._run, args=(work, found), name="bounded", daemon=True).start()
        try:
            return found.result(seconds)
        except TimeoutError:
            raise Unavailable(f"the database did not answer within {seconds:g} s") from None

    def _run(self, work: Callable[[], R], found: Future[R]) -> None:
        try:
            found.set_result(work())
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            found.set_exception(error)
        finally:
            self._free.release()
