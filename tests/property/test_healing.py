"""Whoever gets spares: nobody else moves or loses anything, no GPU is booked twice, and a gang is whole or as it was."""

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.healing import heal
from scheduler.core.lease import resized_at
from scheduler.core.model import Gang, Lease, State
from tests.effort import examples
from tests.property import slow
from tests.property.test_extend import over
from tests.property.test_history import lived
from tests.property.world import Passes, Step, World, histories


def running(world: World, which: int) -> Lease | None:
    """One of those that run, or of the next that does; None where nothing is booked."""
    starts = [one.starts_at for one in world.book.leases.values() if one.state is State.SCHEDULED and one.starts_at]
    if starts and not any(one.state is State.ACTIVE for one in world.book.leases.values()):
        world.live(Passes(seconds=max(0, min(starts) - world.now)))
    found = [one for one in world.book.leases.values() if one.state is State.ACTIVE]
    return found[which % len(found)] if found else None


@settings(max_examples=examples(400), deadline=None)
@given(histories, st.integers(0, 9), st.integers(1, 4), st.data())
def test_spares_take_nothing_that_is_promised_and_the_rest_of_the_lease_stays(
    history: list[Step], which: int, gpus: int, data: st.DataObject
) -> None:
    world = lived(history)
    lease = running(world, which)
    if lease is None:
        return
    held = dict(lease.placement)
    lost = {node: min(gpus, held[node]) for node in data.draw(st.sets(st.sampled_from(sorted(held)), min_size=1))}
    found = heal(world.book, lease.id, lost, world.now)
    if found is None:
        return
    before, after = dict(world.book.leases), dict(found.book.leases)
    assert {id_: one for id_, one in after.items() if id_ not in (lease.id, found.cleaned.id)} == {
        id_: one for id_, one in before.items() if id_ not in (lease.id, found.cleaned.id)
    }
    given_back, added, has = dict(found.given_back), dict(found.added), dict(found.lease.placement)
    assert sum(given_back.values()) == sum(added.values()) > 0
    for node in held.keys() | added.keys():
        assert has.get(node, 0) == held.get(node, 0) - given_back.get(node, 0) + added.get(node, 0)
    assert (found.lease.shape, found.lease.starts_at, found.lease.stops_at) == (
        lease.shape,
        lease.starts_at,
        lease.stops_at,
    )
    if isinstance(lease.shape, Gang):
        assert {gpus for _, gpus in found.lease.placement} == {lease.shape.gpus_per_node}
        assert all(given_back.get(node, 0) >= gone for node, gone in lost.items())
    else:
        assert all(back <= lost.get(node, 0) for node, back in given_back.items())
    assert over(world, list(after.values())) <= over(world, list(before.values()))
    gap_s, start = world.policy.gap_s, resized_at(lease, world.now)
    for second in range(start, start + gap_s):
        for node, gone in given_back.items():
            was = slow.used(before.values(), node, second, gap_s)
            assert slow.used(after.values(), node, second, gap_s) == was + added.get(node, 0), gone
