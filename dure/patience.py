"""How long a server is waited for in all: for commands whose reader wants to know soon that it does not answer."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

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
