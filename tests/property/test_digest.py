"""A book's digest and the bytes of what is decided by it are the same however the book was come by."""

import json
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scheduler.core import codec, record
from scheduler.core.book import Book
from scheduler.core.codec import Item
from scheduler.core.decide import decide
from scheduler.core.extend import Extended, extend
from scheduler.core.growth import Bounds, resize
from scheduler.core.healing import heal
from scheduler.core.model import Cause, Drain, Instant, Lease, LeaseId, Node, NodeId, Purpose
from scheduler.core.quota import Quota
from scheduler.core.resize import Resized
from scheduler.core.shapes import size_of
from tests.builders import a_policy
from tests.effort import examples
from tests.property.test_extend import extendable
from tests.property.test_healing import running
from tests.property.world import HORIZON_S, QUOTAS, Asks, Step, World, asks, histories

RULES = st.sampled_from(["late-slots", "earliest-slot", "only-earlier"])


def lived(history: list[Step], rule: str, reserve_ppm: int = 0) -> World:
    policy = a_policy(
        horizon_s=HORIZON_S, gap_s=2, rule=rule, slack_ppm=300_000, reserve_ppm=reserve_ppm, reserve_over_s=5
    )
    world = World(policy=policy)
    for step in history:
        world.live(step)
    return world


def items(world: World) -> list[Item]:
    """Everything that a log would have of it, in no particular order, once to JSON and back."""
    quotas = [Quota(company=company, gpus=gpus) for company, gpus in QUOTAS.items()]
    found: list[Item] = [*world.leases.values(), *quotas, *world.nodes.values()]
    return [codec.decode(codec.kind(item), codec.encode(item)) for item in reversed(found)]


def rebuilt(world: World) -> Book:
    found = items(world)
    nodes = [item for item in found if isinstance(item, Node)]
    return Book.of(world.policy, nodes).changed(item for item in found if not isinstance(item, Node))


def decided(book: Book, ask: Asks, now: Instant) -> record.Record:
    pairs = [(LeaseId("lea_next"), ask.at(now))]
    return record.of_asks(book, pairs, now, decide(book, pairs, now))


@settings(max_examples=examples(300), deadline=None)
@given(histories, asks, RULES, st.sampled_from([0, 300_000, 600_000]))
def test_a_book_that_was_kept_made_anew_or_rebuilt_from_its_items_gives_the_same_bytes(
    history: list[Step], ask: Asks, rule: str, reserve_ppm: int
) -> None:
    world = lived(history, rule, reserve_ppm)
    books = (world.book, world.fresh_book(), rebuilt(world))
    assert len({book.digest(world.now) for book in books}) == 1
    [found] = {decided(book, ask, world.now) for book in books}
    inputs = record.loads(found.inputs)
    assert record.again(record.ASK, rebuilt(world), inputs) == found.result


@settings(max_examples=examples(300), deadline=None)
@given(histories, st.integers(0, 9), st.integers(1, 45), st.booleans())
def test_an_extension_granted_or_not_is_in_the_digest_and_is_made_again(
    history: list[Step], which: int, by_s: int, partly: bool
) -> None:
    world = lived(history, "late-slots")
    lease = extendable(world, which)
    assume(lease is not None)
    assert lease is not None
    assert lease.ends_at is not None
    until = lease.ends_at + by_s
    found = extend(world.book, lease.id, until, world.now, partly=partly)
    if isinstance(found, Extended):
        anew = Book.of(world.policy, world.nodes.values(), found.book.leases.values(), QUOTAS)
        assert found.book.digest(world.now) == anew.digest(world.now) != world.book.digest(world.now)
    kept = record.of_extension(world.book, lease.id, until, world.now, found, partly=partly)
    again = record.again(record.EXTEND, rebuilt(world), record.loads(kept.inputs))
    assert again == kept.result
    assert ("refused" in record.loads(again)) == (not isinstance(found, Extended))


@settings(max_examples=examples(300), deadline=None)
@given(histories, st.integers(0, 9), st.integers(1, 45))
def test_an_extension_that_was_kept_by_what_was_granted_is_made_again(
    history: list[Step], which: int, by_s: int
) -> None:
    """As records were before they had what was asked for, and what kept a lease from it."""
    world = lived(history, "late-slots")
    lease = extendable(world, which)
    assume(lease is not None)
    assert lease is not None
    assert lease.ends_at is not None
    found = extend(world.book, lease.id, lease.ends_at + by_s, world.now, partly=True)
    if not isinstance(found, Extended):
        return
    kept = record.of_extension(world.book, lease.id, lease.ends_at + by_s, world.now, found, partly=True)
    inputs = {"lease": lease.id, "until": found.lease.ends_at, "now": world.now}
    result = json.loads(record.again(record.EXTEND, rebuilt(world), inputs))
    assert result == {"moves": record.loads(kept.result)["moves"]}


@settings(max_examples=examples(300), deadline=None)
@given(histories, st.integers(0, 9), st.integers(1, 16), st.integers(1, 3), st.none() | st.integers(4, 12), st.data())
def test_a_resize_granted_or_not_is_made_again(
    history: list[Step], which: int, size: int, least: int, most: int | None, data: st.DataObject
) -> None:
    world = lived(history, "late-slots")
    lease = extendable(world, which)
    assume(lease is not None)
    assert lease is not None
    assume(size != size_of(lease.shape))
    lease = replace(lease, purpose=data.draw(st.sampled_from([*[Purpose.INFERENCE] * 3, Purpose.TRAINING])))
    world.leases[lease.id], world.book = lease, world.book.put_lease(lease)
    bounds, ready = Bounds(least=least, most=most), {NodeId("n1"): 1}
    found = resize(world.book, lease.id, size, world.now, ready, bounds)
    kept = record.of_resize(world.book, lease.id, size, world.now, found, ready=ready, bounds=bounds)
    again = record.again(record.RESIZE, rebuilt(world), record.loads(kept.inputs))
    assert again == kept.result
    assert ("refused" in record.loads(again)) == (not isinstance(found, Resized))


@settings(max_examples=examples(300), deadline=None)
@given(histories, st.integers(0, 9), st.integers(1, 4), st.data())
def test_spares_are_found_again(history: list[Step], which: int, gpus: int, data: st.DataObject) -> None:
    world = lived(history, "late-slots")
    lease = running(world, which)
    if lease is None:
        return
    lost = {data.draw(st.sampled_from([node for node, _ in lease.placement])): gpus}
    ready = data.draw(st.sampled_from([{}, {NodeId("n1"): 1}]))
    found = heal(world.book, lease.id, lost, world.now, ready)
    if found is not None:
        kept = record.of_heal(world.book, lease.id, lost, world.now, found, ready=ready)
        assert record.again(record.HEAL, rebuilt(world), record.loads(kept.inputs)) == kept.result


@settings(max_examples=examples(300), deadline=None)
@given(histories, st.integers(0, 10))
def test_what_was_forgotten_when_is_not_in_the_digest(history: list[Step], later: int) -> None:
    world = lived(history, "late-slots")
    now = Instant(world.now + later)
    whole = Book.of(world.policy, world.nodes.values(), world.leases.values(), QUOTAS)
    assert whole.digest(now) == whole.since(now).digest(now) == whole.since(world.now).since(now).digest(now)
    assert world.book.digest(now) == whole.digest(now)


@settings(max_examples=examples(300), deadline=None)
@given(histories, st.data())
def test_whatever_changes_changes_the_digest(history: list[Step], data: st.DataObject) -> None:
    world = lived(history, "late-slots")
    leases = sorted(world.book.leases.values(), key=lambda lease: lease.id)
    things: list[Item] = [
        *leases,
        *world.nodes.values(),
        Quota(company=next(iter(QUOTAS)), gpus=QUOTAS[next(iter(QUOTAS))]),
    ]
    thing = data.draw(st.sampled_from(things))
    assume(not isinstance(thing, Lease) or (thing.stops_at or 0) + 2 > world.now)
    other = _other(thing, data)
    assert world.book.changed([other]).digest(world.now) != world.book.digest(world.now)
    assert world.book.changed([other]).changed([thing]).digest(world.now) == world.book.digest(world.now)


def _other(thing: Item, data: st.DataObject) -> Item:
    match thing:
        case Lease():
            one: dict[str, object] = {
                "promised_start": Instant((thing.promised_start or 0) + 1),
                "stops_at": Instant((thing.stops_at or 0) + 1),
                "notice_s": thing.notice_s + 1,
                "asked_at": Instant(thing.asked_at + 1),
                "end_cause": Cause.IDLE,
                "placement": ((NodeId("n9"), 1),),
            }
            name = data.draw(st.sampled_from(sorted(one)))
            return replace(thing, **{name: one[name]})  # pyright: ignore[reportArgumentType] a name and its value
        case Node():
            return data.draw(st.sampled_from([replace(thing, capacity=thing.capacity + 1), replace(thing, rack="r")]))
        case Quota():
            return replace(thing, gpus=thing.gpus + 1)
        case _:
            raise AssertionError(thing)


@settings(max_examples=examples(100), deadline=None)
@given(histories, st.integers(-5, 20), st.integers(1, 10))
def test_a_drain_counts_until_it_is_over(history: list[Step], begins: int, lasts: int) -> None:
    world = lived(history, "late-slots")
    starts_at = Instant(world.now + begins)
    drain = Drain(id="drn_1", node=NodeId("n1"), starts_at=starts_at, ends_at=Instant(starts_at + lasts))
    drained = world.book.changed([drain])
    assert (drained.digest(world.now) != world.book.digest(world.now)) == (drain.ends_at > world.now)
    over = Instant(drain.ends_at)
    assert drained.digest(over) == drained.since(over).digest(over) == world.book.digest(over)
