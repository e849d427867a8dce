"""A lease that runs and lost GPUs gets spares, holds them from that second on, and is refunded what it was without them."""

from dure import wire
from scheduler.store import consistency, nodes
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, GAP_S, T0, World
from tests.integration.scheduler.test_decisions import kept, replay
from tests.integration.scheduler.test_lost_gpus import LENGTH_S, ended, node_of, settled, silent, started


def held(world: World, lease: wire.Lease) -> dict[str, int]:
    """How many GPUs of each node it holds."""
    found: dict[str, int] = {}
    for gpu in world.lease(lease).gpus:
        if gpu.given_back_at is None:
            found[gpu.node] = found.get(gpu.node, 0) + 1
    return found


def placed(world: World, lease: wire.Lease) -> dict[str, int]:
    return {share.node: share.gpus for share in world.lease(lease).placement}


def test_a_total_gets_spares_of_another_node_and_is_refunded_until_then(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    other = "n2" if node == "n1" else "n1"
    world.report(node, now=T0 + 20, sick=(0, 1))
    world.turn(T0 + 25)
    assert held(world, lease) == placed(world, lease) == {node: 6, other: 2}
    found = world.lease(lease)
    assert not found.degraded
    assert {(one.uuid, one.until) for one in found.lost} == {
        (f"GPU-{node}-{index}", to_wire(T0 + 25)) for index in (0, 1)
    }
    assert world.events(lease)[-1] == ("replaced", "replaced")
    detail = world.detail(lease, "replaced")
    assert (detail["given_back"], detail["added"]) == (f"{node} (2)", f"{other} (2)")
    assert found.sizes == []
    ended(world)
    assert settled(world, lease) == {"delivered": 8 * LENGTH_S - 10, "capacity_lost": 10}


def test_a_gang_gets_another_node_and_is_whole_again(world: World) -> None:
    lease = started(world, shape={"nodes": 1, "gpus_per_node": 8})
    node = node_of(world, lease)
    other = "n2" if node == "n1" else "n1"
    world.report(node, now=T0 + 20, sick=(3,))
    world.turn(T0 + 30)
    assert held(world, lease) == placed(world, lease) == {other: 8}
    ended(world)
    assert settled(world, lease) == {"delivered": 8 * (LENGTH_S - 10), "capacity_lost": 8 * 10}


def test_a_gpu_of_its_own_node_is_nearest(world: World) -> None:
    lease = started(world, shape={"nodes": 1, "gpus_per_node": 4})
    node = node_of(world, lease)
    sick = int(world.lease(lease).gpus[0].uuid.rpartition("-")[2])
    world.report(node, now=T0 + 20, sick=(sick,))
    world.turn(T0 + 25)
    assert held(world, lease) == placed(world, lease) == {node: 4}
    assert [gpu.uuid for gpu in world.lease(lease).gpus if gpu.given_back_at] == [f"GPU-{node}-{sick}"]


def test_the_decision_is_made_again_and_says_why(world: World) -> None:
    lease = started(world)
    world.report(node_of(world, lease), now=T0 + 20, sick=(0,))
    world.turn(T0 + 25)
    [decision] = [head for head in kept(world) if head.kind == "heal"]
    assert decision.detail == (
        "A lease that runs got 1 other GPU for what it lost, beside everybody else's slots; nobody was moved."
    )
    assert replay(world, decision.id).looked_at == 1
    assert world.detail(lease, "replaced")["decision"] == decision.id


def test_without_a_spare_it_stays_degraded_until_there_is_one(world: World) -> None:
    lease = started(world)
    other = world.ask(8, duration_s=LENGTH_S, now=T0)
    world.turn(T0)
    world.report(node_of(world, lease), now=T0 + 20, sick=(0,))
    world.turn(T0 + 25)
    assert world.lease(lease).degraded
    assert not [head for head in kept(world) if head.kind == "heal"]
    world.release(other, now=T0 + 30)
    world.turn(T0 + 30)
    assert world.lease(lease).degraded, "what was released is not proved empty yet"
    world.clean(T0 + 30 + GAP_S)
    world.turn(T0 + 30 + GAP_S)
    assert not world.lease(lease).degraded
    ended(world)
    assert settled(world, lease)["capacity_lost"] == 10 + GAP_S


def test_of_a_silent_node_nothing_is_replaced(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    silent(world, node, now=T0 + 20)
    world.turn(T0 + 60)
    assert placed(world, lease) == {node: 8}
    assert world.lease(lease).degraded


def test_what_is_lost_on_a_node_that_falls_silent_waits_until_it_is_heard(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 + 12, sick=(1,))
    silent(world, node, now=T0 + 13)
    for at in range(14, 40, 5):
        world.turn(T0 + at)
        assert placed(world, lease) == {node: 8}
    world.report(node, now=T0 + 40, sick=(1,))
    world.turn(T0 + 41)
    assert [gpu.uuid for gpu in world.lease(lease).gpus if gpu.given_back_at] == [f"GPU-{node}-1"]


def test_what_is_known_to_be_lost_is_given_back_before_what_is_presumed_so(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 + 12, sick=(1,))
    silent(world, node, now=T0 + 13)
    world.shrink(lease, now=T0 + 20, gpus=7)
    assert [gpu.uuid for gpu in world.lease(lease).gpus if gpu.given_back_at] == [f"GPU-{node}-1"]


def test_a_gang_that_waits_for_a_silent_node_is_not_moved_for_another_loss(world: World) -> None:
    enroll(world, "n3")
    gang = started(world, shape={"nodes": 2, "gpus_per_node": 8})
    first, second = sorted(placed(world, gang))
    silent(world, first, now=T0 + 10)
    world.report(second, now=T0 + 20, sick=(0,))
    world.turn(T0 + 25)
    assert placed(world, gang) == {first: 8, second: 8}


def test_books_are_the_same_however_a_gang_was_made_whole(world: World) -> None:
    enroll(world, "n3")
    gang = started(world, shape={"nodes": 2, "gpus_per_node": 4})
    beside = started(world, 4)
    assert node_of(world, beside) == "n1"
    for node in placed(world, gang):
        lost = next(gpu.uuid for gpu in world.lease(gang).gpus if gpu.node == node)
        world.report(node, now=T0 + 20, sick=(int(lost.rpartition("-")[2]),))
    world.turn(T0 + 25)
    assert world.detail(gang, "replaced")["given_back"] == "n1 (4), n2 (1)"
    with world.db.snapshot() as session:
        assert [fault for check in consistency.checks(session, now=T0 + 26) for fault in check.faults] == []


def test_what_is_reserved_has_a_spare_before_spot(world: World) -> None:
    enroll(world, "n3", gpus=1)
    spot = started(world, 8, tier="spot")
    lease = started(world, 8)
    for one in (spot, lease):
        world.report(node_of(world, one), now=T0 + 20, sick=(1,))
    world.turn(T0 + 25)
    assert (world.lease(lease).degraded, world.lease(spot).degraded) == (False, True)


def test_what_a_node_has_to_spare_beside_its_own_is_a_spare_for_others(world: World) -> None:
    lease = started(world, 12)
    large, small = sorted(placed(world, lease), key=lambda node: -placed(world, lease)[node])
    mine = next(gpu.uuid for gpu in world.lease(lease).gpus if gpu.node == small)
    world.report(large, now=T0 + 20, sick=(0, 1))
    world.report(small, now=T0 + 20, sick=(int(mine.rpartition("-")[2]),))
    world.turn(T0 + 25)
    assert not world.lease(lease).degraded


def enroll(world: World, node: str, gpus: int = 8) -> None:
    with world.db.begin() as session:
        nodes.enroll(session, wire.NodeEnroll(name=node), actor=ADMIN, now=T0)
    world.report(node, now=T0, gpus=gpus)
    world.set_quota("acme", 100, now=T0)


def test_a_scheduled_lease_keeps_its_start_and_its_place(world: World) -> None:
    lease = started(world)
    promised = world.ask(8, duration_s=LENGTH_S, now=T0, start=to_wire(T0 + 50))
    world.report(node_of(world, lease), now=T0 + 20, sick=(0,))
    world.turn(T0 + 25)
    assert world.lease(lease).degraded, "the other node is promised to somebody else before it ends"
    assert world.lease(promised).promised_start == to_wire(T0 + 50)


def test_whoever_is_still_to_start_on_what_is_lost_comes_first(world: World) -> None:
    lease = started(world, 4)
    node = node_of(world, lease)
    beside = started(world, 4, purpose="inference")
    assert node_of(world, beside) != node
    promised = world.ask(4, duration_s=LENGTH_S, now=T0, start=to_wire(T0 + 50))
    assert placed(world, promised) == {node: 4}
    world.report(node, now=T0 + 20, sick=(0, 1, 2, 3, 4))
    world.turn(T0 + 25)
    assert placed(world, promised) == placed(world, beside)
    assert world.lease(promised).promised_start == to_wire(T0 + 50)
    assert world.lease(lease).degraded


def test_what_it_gave_back_is_shown_empty_or_quarantined(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 + 20, sick=(0,))
    world.turn(T0 + 25)
    [lost] = [gpu for gpu in world.lease(lease).gpus if gpu.given_back_at]
    assert (lost.uuid, lost.given_back_at) == (f"GPU-{node}-0", to_wire(T0 + 25))
    world.turn(T0 + 25 + GAP_S)
    assert world.gpus()["quarantined"] == 1
