"""The buffer between the feed's thread and a stream: in order, bounded, and nothing that was told already."""

import asyncio
from collections.abc import Sequence

import pytest

from api import subscription
from api.subscription import Chunk, Reason, Subscription, Wanted
from scheduler.store.events import Position

EVERYTHING = Wanted(company=None, pool=None, since=None, owner=None, secret="s")
ACME = Wanted(company="acme", pool=None, since=None, owner="acme", secret="s")


def chunk(seq: int, *, company: str = "acme", pool: str | None = "h100") -> Chunk:
    return Chunk(position=Position(1, seq), company=company, pool=pool, data=b"%d" % seq)


def taken(chunks: Sequence[Chunk], *, wanted: Wanted = EVERYTHING, start: Position | None = None) -> list[bytes]:
    """What a stream that joined at 5 gets of these."""

    async def run() -> list[bytes]:
        stream = Subscription(wanted, start)
        stream.begin(Position(1, 5))
        stream.offer(chunks)
        found: list[bytes] = []
        while (one := await stream.take(0.01)) is not None:
            found.append(one.data)
        return found

    return asyncio.run(run())


def test_what_is_new_comes_in_order_and_what_was_before_it_joined_does_not() -> None:
    assert taken([chunk(seq) for seq in range(3, 9)]) == [b"6", b"7", b"8"]


def test_a_stream_whose_client_knows_more_than_this_process_skips_what_it_knows() -> None:
    assert taken([chunk(seq) for seq in range(3, 9)], start=Position(1, 7)) == [b"8"]


def test_a_stream_that_is_still_catching_up_gets_from_here_on_only_what_is_new() -> None:
    assert taken([chunk(seq) for seq in range(3, 9)], start=Position(1, 1)) == [b"6", b"7", b"8"]


@pytest.mark.parametrize(
    ("wanted", "want"),
    [
        (EVERYTHING, [b"6", b"7", b"8"]),
        (ACME, [b"6", b"8"]),
        (Wanted(company=None, pool="h100", since=None, owner=None, secret="s"), [b"6", b"7"]),
    ],
    ids=["an admin's", "a company's", "of a pool"],
)
def test_only_what_is_wanted_is_kept(wanted: Wanted, want: list[bytes]) -> None:
    assert taken([chunk(6), chunk(7, company="globex"), chunk(8, pool=None)], wanted=wanted) == want


@pytest.mark.parametrize(("more", "reason"), [(0, Reason.LEFT), (1, Reason.SLOW)])
def test_one_event_more_than_the_buffer_holds_ends_the_stream(more: int, reason: Reason) -> None:
    async def run() -> Subscription:
        stream = Subscription(EVERYTHING, None)
        stream.begin(Position(1, 0))
        stream.offer([chunk(seq) for seq in range(1, subscription.BUFFER + more + 1)])
        await asyncio.sleep(0)
        assert (await stream.take(0.01) is None) is bool(more)
        return stream

    stream = asyncio.run(run())
    assert (stream.reason, stream.over) == (reason, bool(more))


def test_the_first_reason_of_an_end_is_kept_and_what_waited_is_dropped() -> None:
    async def run() -> Subscription:
        stream = Subscription(EVERYTHING, None)
        stream.begin(Position(1, 0))
        stream.offer([chunk(1)])
        stream.end(Reason.TOKEN)
        stream.end(Reason.SHUTDOWN)
        stream.offer([chunk(2)])
        await asyncio.sleep(0)
        assert await stream.take(10) is None, "who waits hears of the end at once"
        return stream

    assert asyncio.run(run()).reason is Reason.TOKEN
