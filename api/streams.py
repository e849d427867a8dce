"""An event stream's answer: first what the client missed, then what comes, with a sign of life in between."""

import asyncio
from collections.abc import AsyncIterator

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from api.feed import Feed
from api.subscription import Reason, Subscription
from dure.errors import Unavailable
from scheduler.store import events

KEEPALIVE_S = 15.0
"""After so long without an event a comment is sent, so that nothing between takes the connection for dead."""

SEND_S = 20.0
"""A client that takes nothing for so long is not there any more."""

COME_BACK_MS = 2000
"""How long a client waits before it connects again."""

HEADERS = {"X-Accel-Buffering": "no"}
"""A proxy that gathers an answer first would keep the events."""


class EventStream(EventSourceResponse):
    """Leaves the feed when the client goes, when the client is too slow, and when the process ends."""

    def __init__(self, feed: Feed, stream: Subscription) -> None:
        self._feed, self._stream = feed, stream
        super().__init__(_chunks(feed, stream), headers=HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.leave(self._stream)

    async def stream_response(self, send: Send) -> None:
        async def within(message: Message) -> None:
            try:
                async with asyncio.timeout(SEND_S):
                    await send(message)
            except TimeoutError:
                raise ClientDisconnect from None

        await super().stream_response(within)


async def _chunks(feed: Feed, stream: Subscription) -> AsyncIterator[bytes]:
    yield format_sse_event(data_str=None, comment="events", id=_standing(stream), retry=COME_BACK_MS)
    async for data in _past(feed, stream):
        yield data
    while not stream.over:
        chunk = await stream.take(KEEPALIVE_S)
        if chunk is not None:
            yield chunk.data
        elif not stream.over:
            yield KEEPALIVE_COMMENT


def _standing(stream: Subscription) -> str | None:
    """Where it begins, so that a client whose stream breaks before the first event comes back to the same place."""
    return None if stream.wanted.since is not None else events.event_id(stream.start.seq)


async def _past(feed: Feed, stream: Subscription) -> AsyncIterator[bytes]:
    """What the client missed, a batch at a time, up to where the feed hands over what is new."""
    position = stream.start
    while position < stream.joined and not stream.over:
        try:
            past = await run_in_threadpool(feed.past, stream, position)
        except Unavailable:
            stream.end(Reason.AWAY)
            return
        for chunk in past:
            yield chunk.data
        position = past[-1].position if past else stream.joined
