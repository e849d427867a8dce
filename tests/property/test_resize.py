"""Whatever is resized: nobody moves, nothing is taken twice, quotas hold, and every GPU-second of the box is accounted for."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.charge import box, charge
from scheduler.core.growth import NotGrown, resize
from scheduler.core.lease import advance, resized_at, sized, stretched
from scheduler.core.model import Cause, Instant, Purpose, State, Total
from scheduler.core.resize import Resized, grow, shrink
from scheduler.core.shapes import size_of
from tests.builders import a_lease, a_placement
from tests.effort import examples
from tests.property import slow
from tests.property.test_extend import extendable, over
from tests.property.test_history import lived
from tests.property.world import QUOTA, Step, histories


@settings(max_examples=examples(300), deadline=None)
@given(histories, st.integers(0, 9), st.integers(1, 8))
def test_a_resize_moves_nobody_and_takes_nothing_that_is_promised(history: list[Step], which: int, size: int) -> None:
    world = lived(history)
    lease = extendable(world, which)
    if lease is None or size == size_of(lease.shape):
        return
    less = size < size_of(lease.shape)
    found = (shrink if less else grow)(world.book, lease.id, size, world.now)
    if not isinstance(found, Resized):
        assert size_of(lease.shape) <= found.largest < size
        nearly = grow(world.book, lease.id, found.largest, world.now) if found.largest > size_of(lease.shape) else None
        assert nearly is None or isinstance(nearly, Resized)
        return
    before, after = dict(world.book.leases), dict(found.book.leases)
    for id_, other in before.items():
        assert id_ == lease.id or after[id_] == other
    assert sum(gpus for _, gpus in found.lease.placement) == found.lease.gpus == found.lease.shape.gpus
    assert (found.lease.starts_at, found.lease.stops_at) == (lease.starts_at, lease.stops_at)
    assert over(world, list(after.values())) <= over(world, list(before.values()))
    if not less:
        seconds = range(max(world.now, lease.starts_at or 0), lease.stops_at or 0)
        assert all(slow.held(after.values(), lease.company, second) <= QUOTA for second in seconds)
    if less and lease.state is State.ACTIVE:
        for second in range(world.now, world.now + world.policy.gap_s):
            for node, _ in lease.placement:
                gap_s = world.policy.gap_s
                assert slow.used(after.values(), node, second, gap_s) == slow.used(before.values(), node, second, gap_s)


@settings(max_examples=examples(300), deadline=None)
@given(histories, st.integers(0, 9), st.integers(2, 12))
def test_a_larger_size_that_is_refused_is_possible_from_when_it_says_and_no_sooner(
    history: list[Step], which: int, size: int
) -> None:
    world = lived(history)
    lease = extendable(world, which)
    if lease is None or size <= size_of(lease.shape) or lease.state is not State.ACTIVE:
        return
    book = world.book.put_lease(replace(lease, purpose=Purpose.INFERENCE))
    found = resize(book, lease.id, size, world.now)
    if not isinstance(found, NotGrown):
        return
    assert found.way is not None
    clear, first = found.way.clear, resized_at(lease, world.now)
    for now in range(first, lease.stops_at or 0):
        possible = clear is not None and now >= clear
        assert isinstance(grow(book, lease.id, size, Instant(now)), Resized) == possible
    assert first <= found.way.at < (lease.stops_at or 0) + world.policy.gap_s
    begin = {other.id for other in book.leases.values() if other.starts_at == found.way.at}
    assert set(found.way.leases) <= begin
    if found.way.at > first and found.obstacle == "capacity":
        assert found.way.leases or found.way.drains


amendments = st.lists(st.tuples(st.sampled_from(["size", "end"]), st.integers(0, 40), st.integers(1, 9)), max_size=8)


@given(amendments, st.integers(0, 60), st.integers(-5, 200))
def test_what_is_committed_is_settled_and_refunded_whatever_its_sizes_and_ends_were(
    changes: list[tuple[str, int, int]], started: int, stopped: int
) -> None:
    lease = a_lease(state=State.ACTIVE, starts_at=100, duration_s=100, started_at=100 + started, n1=4)
    now, committed = 100 + started, box(lease)
    for what, passed, much in changes:
        now += passed
        assert lease.ends_at is not None
        if what == "size" and now < lease.ends_at:
            changed = sized(lease, Total(gpus=much), a_placement(n1=much), Instant(now))
        elif what == "end":
            changed = stretched(lease, Instant(max(now + 1, lease.ends_at + 10 * much - 50)))
        else:
            continue
        committed, lease = committed + box(changed) - box(lease), changed
    over_ = advance(lease, State.ENDING, Cause.RELEASED, Instant(max(now, 100 + stopped)))
    parts = charge(advance(over_, State.ENDED, Cause.RELEASED, Instant(1000)))
    assert parts.delivered + parts.refunded == committed
    assert min(parts.delivered, parts.late, parts.returned) >= 0


@given(amendments)
def test_each_second_is_charged_for_the_gpus_that_it_had(changes: list[tuple[str, int, int]]) -> None:
    lease = a_lease(state=State.ACTIVE, starts_at=0, duration_s=500, n1=4)
    gpus, now, want = 4, 0, 0
    for _, passed, much in changes:
        want, now, gpus = want + gpus * passed, now + passed, much
        lease = sized(lease, Total(gpus=much), a_placement(n1=much), Instant(now))
    ended = replace(lease, state=State.ENDED, started_at=Instant(0), ended_at=Instant(500))
    assert charge(ended).delivered == want + gpus * (500 - now)
