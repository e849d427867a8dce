"""What the allocator does of a GPU's health: a suspect one is granted to nobody, an unhealthy one is healed."""

import pytest

from dure import wire
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import T0, World
from tests.integration.scheduler.test_lost_gpus import ended, node_of, reported, settled, started

HOUR = 3600


def suspected(world: World, node: str, *, now: float, busy: list[str] | None = None) -> None:
    world.report(node, now=now, health="suspect", busy=busy or [])


def held_by(world: World, lease: wire.Lease) -> set[str]:
    return {gpu.uuid for gpu in world.lease(lease).gpus}


def test_a_suspect_gpu_is_taken_from_no_lease_and_nothing_is_refunded(world: World) -> None:
    lease = started(world)
    node, before = node_of(world, lease), held_by(world, lease)
    suspected(world, node, now=T0 + 20, busy=sorted(before))
    world.turn(T0 + 21)
    found = world.lease(lease)

    assert (found.state, found.degraded, found.lost) == ("active", False, [])
    assert held_by(world, lease) == before
    assert "degraded" not in dict(world.events(lease))
    assert reported(world, now=T0 + 80) == (8 * 80, 0)
    ended(world)
    assert settled(world, lease) == {"delivered": 800}


def test_a_suspect_gpu_is_granted_to_nobody_until_it_is_well(world: World) -> None:
    for node in ("n1", "n2"):
        suspected(world, node, now=T0)
    lease = world.ask(8, now=T0)
    world.turn(T0 + 1)
    assert world.gpus() == {"unhealthy": 16}
    assert world.lease(lease).state != "active"
    assert held_by(world, lease) == set()
    world.report("n2", now=T0 + 10)
    world.turn(T0 + 10)
    due = world.lease(lease).starts_at
    assert due is not None
    world.turn(due.timestamp())

    assert world.lease(lease).state == "active"
    assert node_of(world, lease) == "n2"


@pytest.mark.parametrize("health", ["suspect", "unhealthy"])
def test_a_promise_on_gpus_that_fall_ill_has_the_spare_ones_or_is_lost_with_its_cause(
    world: World, health: str
) -> None:
    lease = world.ask(8, start=to_wire(T0 + HOUR), duration_s=HOUR)
    node = lease.placement[0].node
    other = "n2" if node == "n1" else "n1"
    world.report(node, now=T0 + 10, health=health)
    world.turn(T0 + 400)
    moved = world.lease(lease)
    assert (moved.placement[0].node, moved.starts_at, moved.slips) == (other, lease.starts_at, [])
    assert {"node": node, "lost": "gpu_unhealthy"}.items() <= world.detail(lease, "moved").items()
    world.report(other, now=T0 + 410, health=health)
    world.turn(T0 + 800)
    lost = world.lease(lease)
    assert lost.state == "queued"
    assert [slip.why for slip in lost.slips] == [f"a GPU of {other} is sick"]
    world.report(other, now=T0 + 810)
    world.turn(T0 + 811)

    assert world.lease(lease).state == "scheduled"


def test_an_unhealthy_gpu_degrades_its_lease_which_gets_back_what_it_was_without(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 + 20, sick=(2,))
    assert world.lease(lease).degraded
    world.report(node, now=T0 + 50)

    assert [event for event, _ in world.events(lease)][-2:] == ["degraded", "healed"]
    ended(world)
    assert settled(world, lease) == {"delivered": 800 - 30, "capacity_lost": 30}


def test_a_gpu_that_gets_well_only_to_suspect_is_the_leases_again(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 + 20, sick=(2,))
    suspected(world, node, now=T0 + 50)

    assert not world.lease(lease).degraded
    assert world.events(lease)[-1] == ("healed", "gpu_unhealthy")


def test_a_node_that_must_be_drained_keeps_its_leases_and_gets_no_more(world: World) -> None:
    """One GPU is unhealthy and the others are suspect: what the agent says where a node must be restarted."""
    lease = started(world, gpus=4)
    node = node_of(world, lease)
    world.report(node, now=T0 + 20, health="suspect", sick=(0,))
    another = world.ask(8, now=T0 + 21)
    world.turn(T0 + 21)

    assert world.lease(lease).lost[0].uuid == f"GPU-{node}-0"
    assert len(world.lease(lease).lost) == 1
    assert world.lease(another).state == "active"
    assert node_of(world, another) != node
    third = world.ask(1, who="globex", now=T0 + 22)
    assert all(found.node != node for found in world.lease(third).placement)
