"""What an API process asks of addresses that are not ours: few at a time, as each may take a thread for seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from dure import wire
from dure.errors import Unavailable
from scheduler.store.webhooks import Target
from scheduler.webhooks.ping import ping
from scheduler.webhooks.sender import Sender

AT_ONCE = 8
"""Well below the number of threads that answer requests."""


class Outward:
    """Both raise Unavailable where others fill the room there is, rather than wait for it."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._room = BoundedSemaphore(AT_ONCE)

    def check(self, url: str) -> None:
        """Looks a name up. Raises AddressRefused."""
        with self._one():
            self._sender.check(url)

    def ping(self, target: Target, *, now: float) -> wire.WebhookTest:
        """Sends a test and waits for the answer."""
        with self._one():
            return ping(self._sender, target, now=now)

    @contextmanager
    def _one(self) -> Iterator[None]:
        if not self._room.acquire(blocking=False):
            raise Unavailable("too many addresses are being tried at this moment; try again shortly", retry_after_s=5)
        try:
            yield
        finally:
            self._room.release()
