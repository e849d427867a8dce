"""A stream's answer when its client does not take it, and when the database is away."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Scope

from api.feed import Feed
from api.metrics import Metrics
from api.streams import EventStream
from api.subscription import Reason, Subscription, Wanted
from scheduler.store.db import Database
from scheduler.store.events import Position
from tests.unit.api.conftest import NOWHERE, StillClock

WANTED = Wanted(company=None, pool=None, since=None, owner=None, secret="s")
SCOPE: Scope = {"type": "http", "asgi": {"spec_version": "2.3"}}

Send = Callable[[Message], Awaitable[None]]


async def for_ever() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("nothing happens for ever")


def serve(send: Send, start: Position | None) -> Subscription:
    """Serves a stream whose client never leaves, with the database away, until it ends by itself."""

    async def run() -> Subscription:
        stream = Subscription(WANTED, start)
        stream.begin(Position(1, 5))
        feed = Feed(Database(NOWHERE), StillClock(), Metrics())
        await EventStream(feed, stream)(SCOPE, for_ever, send)
        return stream

    return asyncio.run(run())


def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.streams.SEND_S", 0.01)

    async def stuck(_: Message) -> None:
        await asyncio.Event().wait()

    with pytest.raises(ClientDisconnect):
        serve(stuck, None)


def test_a_stream_that_cannot_read_what_was_missed_ends_whole_so_that_the_client_comes_back() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    assert serve(send, Position(1, 1)).reason is Reason.AWAY
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
