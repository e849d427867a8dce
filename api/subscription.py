"""One open stream's side of the feed: what it wants, and a bounded buffer between the feed's thread and the event loop."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from scheduler.store.events import BEGINNING, Position

BUFFER = 2000
"""Events that wait for a client which is slower than they come; with more, its stream ends."""


class Reason(StrEnum):
    """Why a stream ended."""

    LEFT = "left"
    SLOW = "slow"
    TOKEN = "token"
    AWAY = "away"
    """The database, while it was asked for what the client missed."""
    SHUTDOWN = "shutdown"
    RESTORED = "restored"
    """The database was restored, or a standby took over: the client finds its place again by the last id it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whose events, and since when. `company` is None for an admin who wants all.

    `owner` is the company whose token asked, None for an admin's; `secret` is that token.
    """

    company: str | None
    pool: str | None
    since: int | None
    owner: str | None
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """An event as it is sent, made once for all streams."""

    position: Position
    company: str
    pool: str | None
    data: bytes


class Subscription:
    """Made in the event loop, given to by the feed's thread. `start` None is from now on."""

    def __init__(self, wanted: Wanted, start: Position | None) -> None:
        self.wanted, self._start = wanted, start
        self.joined = BEGINNING
        """Up to where the past goes; what the feed hands over lies after it."""
        self.reason = Reason.LEFT
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._buffer: deque[Chunk] = deque()
        self.over = False

    def begin(self, head: Position) -> None:
        """Said by the feed, once: it hands over what lies after `head`."""
        self.joined = head
        self._start = head if self._start is None else self._start

    @property
    def start(self) -> Position:
        """After which event this stream begins."""
        assert self._start is not None
        return self._start

    def offer(self, chunks: Sequence[Chunk]) -> None:
        """From the feed's thread. Keeps what is wanted and new."""
        known = max(self.start, self.joined)
        wanted = [chunk for chunk in chunks if chunk.position > known and self._wants(chunk)]
        if wanted:
            self._loop.call_soon_threadsafe(self._put, wanted)

    def end(self, reason: Reason) -> None:
        """From any thread: the stream ends when it next looks."""
        self._loop.call_soon_threadsafe(self._end, reason)

    async def take(self, wait_s: float) -> Chunk | None:
        """The next event; None when none came in that time, or when it is over."""
        if not self._buffer and not self.over:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ready.wait(), wait_s)
        if not self._buffer:
            return None
        chunk = self._buffer.popleft()
        if not self._buffer:
            self._ready.clear()
        return chunk

    def _wants(self, chunk: Chunk) -> bool:
        wanted = self.wanted
        return wanted.company in (None, chunk.company) and wanted.pool in (None, chunk.pool)

    def _put(self, chunks: Sequence[Chunk]) -> None:
        if self.over:
            return
        if len(self._buffer) + len(chunks) > BUFFER:
            self._end(Reason.SLOW)
            return
        self._buffer.extend(chunks)
        self._ready.set()

    def _end(self, reason: Reason) -> None:
        if not self.over:
            self.reason, self.over = reason, True
            self._buffer.clear()
            self._ready.set()
