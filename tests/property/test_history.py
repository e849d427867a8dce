from collections.abc import Iterator
from dataclasses import replace

from hypothesis import event, example, given, settings

from scheduler.core.book import Book, Draft
from scheduler.core.decide import decide
from scheduler.core.decide import verdict as in_draft
from scheduler.core.model import Ask, Code, CompanyId, Gang, Instant, LeaseId, Numbers, Promise, Shape, Total, Verdict
from tests.builders import a_node
from tests.effort import examples
from tests.property import slow
from tests.property.world import QUOTA, Asks, Changes, Passes, Step, World, asks, histories

SECONDS = range(90, 500)


def verdict(book: Book, ask: Ask, now: Instant) -> Verdict:
    return decide(book, [(LeaseId("lea_next"), ask)], now).verdicts[0]


def lived(history: list[Step]) -> World:
    world = World()
    for step in history:
        world.live(step)
    return world


def offered(numbers: Numbers, ask: Ask, begin: Instant) -> Iterator[Ask]:
    """The asks that a refusal says would have been granted."""
    if "earliest_start" in numbers:
        yield replace(ask, start=Instant(int(numbers["earliest_start"])), start_by=None)
    if "longest_s_now" in numbers:
        yield replace(ask, start=begin, start_by=None, duration_s=int(numbers["longest_s_now"]))
    if "largest_gpus_now" in numbers:
        gpus, shape = int(numbers["largest_gpus_now"]), ask.shape
        smaller = replace(shape, nodes=gpus // shape.gpus_per_node) if isinstance(shape, Gang) else Total(gpus=gpus)
        yield replace(ask, start=begin, start_by=None, shape=smaller)


@settings(max_examples=examples(300), deadline=None)
@given(histories)
def test_no_promise_takes_a_gpu_that_another_lease_has(history: list[Step]):
    world = World()
    for step in history:
        found = world.live(step)
        if isinstance(found, Promise):
            for node, _ in found.placement:
                for instant in range(found.start, found.end + world.policy.gap_s):
                    used = slow.used(world.leases.values(), node, instant, world.policy.gap_s)
                    assert used <= world.nodes[node].capacity


@settings(max_examples=examples(300), deadline=None)
@given(histories)
def test_no_company_is_ever_above_its_quota(history: list[Step]):
    world = lived(history)
    for company in ("acme", "bolt"):
        assert max(slow.held(world.leases.values(), CompanyId(company), instant) for instant in SECONDS) <= QUOTA


@settings(max_examples=examples(300), deadline=None)
@given(histories)
def test_a_placement_is_the_whole_shape_or_there_is_none(history: list[Step]):
    for lease in lived(history).leases.values():
        assert sum(gpus for _, gpus in lease.placement) == lease.shape.gpus
        assert len({node for node, _ in lease.placement}) == len(lease.placement)
        assert list(lease.placement) == sorted(lease.placement)
        assert all(gpus > 0 for _, gpus in lease.placement)
        if isinstance(lease.shape, Gang):
            assert [gpus for _, gpus in lease.placement] == [lease.shape.gpus_per_node] * lease.shape.nodes


@settings(max_examples=examples(300), deadline=None)
@given(histories, asks)
def test_the_same_history_gives_the_same_answers(history: list[Step], ask: Asks):
    first, second = lived(history), lived(history)
    assert first.verdicts == second.verdicts
    assert first.decide(ask.at(first.now)) == second.decide(ask.at(second.now))


@settings(max_examples=examples(300), deadline=None)
@given(histories, asks)
def test_a_book_that_is_kept_decides_as_one_that_is_made_anew(history: list[Step], ask: Asks):
    world = lived(history)
    asked = ask.at(world.now)
    assert verdict(world.book, asked, world.now) == verdict(world.fresh_book(), asked, world.now)


def an_ask_of(shape: Shape, duration_s: int, *, start_in: int | None = None, width: int | None = None) -> Asks:
    return Asks(shape=shape, company="acme", duration_s=duration_s, start_in=start_in, width=width, queue=False)


MAKES_ROOM: list[Step] = [
    *(an_ask_of(Total(gpus=1), 1), an_ask_of(Total(gpus=1), 1), Passes(seconds=1)),
    *(an_ask_of(Gang(nodes=2, gpus_per_node=3), 1), an_ask_of(Total(gpus=1), 3)),
    Changes(node=a_node("n2", 4)),
]
"""The gang takes the whole quota for a second, and may start earlier as soon as somebody asks."""


@settings(max_examples=examples(500), deadline=None)
@given(histories, asks)
@example(history=MAKES_ROOM, ask=an_ask_of(Total(gpus=1), 1, start_in=2, width=1))
def test_a_promised_start_is_the_earliest_there_is(history: list[Step], ask: Asks):
    """Beside everything that is booked; it may start sooner where others are moved out of its way with the same decision."""
    world = lived(history)
    asked = ask.at(world.now)
    leases, nodes = list(world.leases.values()), list(world.nodes.values())
    want = slow.earliest(asked, nodes, leases, world.policy, QUOTA, world.now)
    beside, got = in_draft(Draft(world.book), asked, world.now), verdict(world.book, asked, world.now)
    event(got.code)
    assert (beside.start if isinstance(beside, Promise) else None) == want
    assert isinstance(got, Promise) == (want is not None)
    assert want is None or (isinstance(got, Promise) and got.start <= got.promised <= want)


@settings(max_examples=examples(300), deadline=None)
@given(histories, asks)
def test_what_a_refusal_offers_would_be_granted(history: list[Step], ask: Asks):
    world = lived(history)
    asked = replace(ask.at(world.now), queue=False)
    refusal = verdict(world.book, asked, world.now)
    if refusal.code is not Code.NO_START_IN_WINDOW:
        return
    begin = max(world.now, asked.start or world.now)
    for other in offered(refusal.numbers, asked, Instant(begin)):
        assert isinstance(verdict(world.book, other, world.now), Promise)
