"""How long a server is waited for in all: for commands whose reader wants to know soon that it does not answer."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import TypeVar

R = TypeVar("R")

LEAST_S = 0.1


class Patience:
    """A time for all requests together. What else a command does meanwhile does not count."""

    def __init__(self, within_s: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.within_s = within_s
        self.left_s = within_s
        self._monotonic = monotonic

    @property
    def is_over(self) -> bool:
        """Whether what is left is not enough for anything."""
        return self.left_s < LEAST_S

    @contextmanager
    def waiting(self) -> Generator[None]:
        """Around what waits for an answer."""
        began = self._monotonic()
        try:
            yield
        finally:
            self.left_s -= self._monotonic() - began


class Late(Exception):
    """What was waited for took longer; the text says how long that was."""


def within(seconds: float, work: Callable[[], R]) -> R:
    """What `work` gives or raises, on a thread of its own: a limit for a read does not end what comes a byte at a time.

    Raises Late where it takes longer. Then it is left to end by itself, at the latest with the process.
    """
    found: Future[R] = Future()
    Thread(target=_done, args=(work, found), name="within", daemon=True).start()
    try:
        return found.result(seconds)
    except TimeoutError:
        if not found.done():
            raise Late(f"it took longer than {seconds:.3g} s and was given up") from None
    return found.result()  # the TimeoutError is the work's own, or the work ended as it came


def _done(work: Callable[[], R], found: Future[R]) -> None:
    try:
        found.set_result(work())
    except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
        found.set_exception(error)
