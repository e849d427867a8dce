"""Whatever is extended: nobody's time moves, no promise breaks, and nothing is used twice."""

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.ahead import ahead
from scheduler.core.extend import Extended, NotExtended, extend
from scheduler.core.model import Lease, State
from tests.effort import examples
from tests.property import slow
from tests.property.test_history import lived
from tests.property.world import QUOTA, Step, World, histories

longer = st.integers(1, 45)


def extendable(world: World, which: int) -> Lease | None:
    """One of those that are scheduled or run, and not in anybody's way as it is."""
    found = [
        lease
        for lease in world.book.leases.values()
        if lease.state in (State.SCHEDULED, State.ACTIVE) and (lease.stops_at or 0) > world.now
    ]
    return found[which % len(found)] if found else None


def over(world: World, leases: list[Lease]) -> set[tuple[str, int]]:
    """The seconds from now on in which more of a node is taken than it has."""
    return {
        (node.id, second)
        for node in world.nodes.values()
        for second in range(world.now, world.now + 120)
        if slow.used(leases, node.id, second, world.policy.gap_s) > node.capacity
    }


@settings(max_examples=examples(300), deadline=None)
@given(histories, st.integers(0, 9), longer)
def test_an_extension_takes_nothing_that_is_promised_and_moves_nobodys_time(
    history: list[Step], which: int, by_s: int
) -> None:
    world = lived(history)
    lease = extendable(world, which)
    if lease is None or lease.ends_at is None:
        return
    found = extend(world.book, lease.id, lease.ends_at + by_s, world.now)
    if not isinstance(found, Extended):
        return
    before, after = dict(world.book.leases), dict(found.book.leases)
    assert before.keys() == after.keys()
    for id_, other in after.items():
        if id_ != lease.id:
            assert (other.starts_at, other.promised_start, other.stops_at) == (
                before[id_].starts_at,
                before[id_].promised_start,
                before[id_].stops_at,
            )
            assert other.placement == before[id_].placement or other.state is State.SCHEDULED
    assert after[lease.id].ends_at == lease.ends_at + by_s
    if lease.state is State.ACTIVE:
        assert after[lease.id].placement == lease.placement
    assert over(world, list(after.values())) <= over(world, list(before.values()))
    added = range(lease.ends_at, lease.ends_at + by_s)
    assert all(slow.held(after.values(), lease.company, second) <= QUOTA for second in added)


@settings(max_examples=examples(300), deadline=None)
@given(histories, st.integers(0, 9), longer)
def test_a_refusal_says_the_longest_that_is_possible(history: list[Step], which: int, by_s: int) -> None:
    world = lived(history)
    lease = extendable(world, which)
    if lease is None or lease.ends_at is None:
        return
    found = extend(world.book, lease.id, lease.ends_at + by_s, world.now)
    if isinstance(found, NotExtended):
        assert 0 <= found.longest_s < by_s
        partly = extend(world.book, lease.id, lease.ends_at + by_s, world.now, partly=True)
        if found.longest_s:
            assert isinstance(partly, Extended)
            assert partly.lease.ends_at == lease.ends_at + found.longest_s
        else:
            assert isinstance(partly, NotExtended)


@settings(max_examples=examples(200), deadline=None)
@given(histories, st.integers(0, 9), longer, longer)
def test_what_is_possible_for_long_is_possible_for_less(
    history: list[Step], which: int, longest_s: int, by_s: int
) -> None:
    """So the longest that a refusal says is the longest: nothing beyond it is granted, and all before it is."""
    world = lived(history)
    lease = extendable(world, which)
    if lease is None or lease.ends_at is None:
        return
    far = extend(world.book, lease.id, lease.ends_at + longest_s, world.now)
    near = extend(world.book, lease.id, lease.ends_at + min(by_s, longest_s), world.now)
    if isinstance(far, Extended):
        assert isinstance(near, Extended)
        assert {pair[0].id for pair in near.moves} <= {pair[0].id for pair in far.moves}
    else:
        assert isinstance(near, Extended) == (min(by_s, longest_s) <= far.longest_s)


@settings(max_examples=examples(200), deadline=None)
@given(histories, st.integers(0, 9), longer)
def test_what_nobody_has_to_move_for_is_always_possible(history: list[Step], which: int, by_s: int) -> None:
    """Second by second, from the plain leases: the lease's own nodes and its quota have room, so it is extended."""
    world = lived(history)
    lease = extendable(world, which)
    if lease is None or lease.ends_at is None or lease.ends_at + by_s > world.now + world.policy.horizon_s:
        return
    others = [other for other in world.book.leases.values() if other.id != lease.id]
    end = lease.ends_at + by_s
    nodes = all(
        slow.used(others, node, second, world.policy.gap_s) + gpus <= world.nodes[node].capacity
        for node, gpus in lease.placement
        for second in range(lease.ends_at, end + world.policy.gap_s)
    )
    limits = all(slow.held(others, lease.company, second) + lease.gpus <= QUOTA for second in range(lease.ends_at, end))
    found = extend(world.book, lease.id, end, world.now)
    if nodes and limits:
        assert isinstance(found, Extended)
        assert found.moves == ()
    if not limits:
        assert isinstance(found, NotExtended)


@settings(max_examples=examples(300), deadline=None)
@given(histories, st.integers(0, 9), longer)
def test_what_is_told_of_a_drain_ahead_is_as_far_as_any_extension_goes(
    history: list[Step], which: int, by_s: int
) -> None:
    world = lived(history)
    lease = extendable(world, which)
    if lease is None or lease.ends_at is None or lease.state is not State.ACTIVE:
        return
    told = ahead(lease, world.book.drains.values(), world.policy.gap_s)
    found = extend(world.book, lease.id, lease.ends_at + by_s, world.now)
    end = lease.ends_at + (by_s if isinstance(found, Extended) else found.longest_s)
    assert told is None or end <= told.latest_end
    if isinstance(found, NotExtended) and found.obstacle.drain is not None:
        assert told is not None
        assert end == told.latest_end
