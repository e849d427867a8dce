"""Work that may hang, waited for no longer than it is worth: a database that stands still answers nothing for ever."""

from collections.abc import Callable
from threading import BoundedSemaphore, Event, Lock
from typing import TypeVar

from dure import patience
from dure.errors import Unavailable

R = TypeVar("R")

AT_ONCE = 2


class Crowded(Exception):
    """As much of this work is under way as may be."""


class Bounded:
    """Some work at once, each on a thread of its own."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        """What hangs holds one of `at_once` until it ends, and no more than these of the process's connections."""
        self._at_once, self._free = at_once, BoundedSemaphore(at_once)
        self._lock = Lock()
        self._given_up: list[Event] = []
        """Set once what was given up has ended."""

    def within(self, seconds: float, work: Callable[[], R], *, waits: bool = True) -> R:
        """What `work` gives or raises. Raises Unavailable where that takes longer, and it is left to end by itself; while as many as
        may hang do, at once. Who must not wait for others, as he keeps a thread from those who ask for something else, gets Crowded.
        """
        if not self._free.acquire(timeout=seconds if waits and not self._hang() else 0):
            if not waits:
                raise Crowded
            raise Unavailable("others wait for the database already, and it does not answer them")
        ended = Event()
        try:
            return patience.within(seconds, lambda: self._run(work, ended))
        except patience.Late:
            with self._lock:
                self._given_up.append(ended)
            raise Unavailable(f"the database did not answer within {seconds:g} s") from None

    def _hang(self) -> bool:
        """Whether all there may be at once was given up and has not ended."""
        with self._lock:
            self._given_up = [one for one in self._given_up if not one.is_set()]
            return len(self._given_up) >= self._at_once

    def _run(self, work: Callable[[], R], ended: Event) -> R:
        try:
            return work()
        finally:
            ended.set()
            self._free.release()
