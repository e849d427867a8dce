"""What memory GPUs show on which nobody is: what a pool's limit for an empty one has to be above."""

from dure import wire
from scheduler.store import floors, pools, reports
from tests.integration.scheduler.conftest import PRODUCT, T0, World

MIB = 1 << 20


def told(
    world: World, node: str, second: int, *used_mib: int | None, processes: int | None = 0, health: str = "ok"
) -> None:
    """What is in use on each GPU of the node."""
    gpus = [
        {
            "uuid": f"GPU-{node}-{index}",
            "index": index,
            "product": PRODUCT,
            "health": health,
            "memory_used_bytes": None if used is None else used * MIB,
            "processes": processes,
        }
        for index, used in enumerate(used_mib)
    ]
    said = {"boot": "b1", "seq": second, "sent_at": T0 + second, "interval_s": 2, "agent_version": "1", "gpus": gpus}
    with world.db.begin() as session:
        reports.take(session, node, wire.Report.model_validate(said), now=T0 + second)


def seen_mib(world: World) -> int | None:
    with world.db.snapshot() as session:
        found = floors.seen(session, "h100")
    return None if found is None else found // MIB


def test_the_floor_is_the_most_that_is_in_use_on_a_free_gpu(world: World) -> None:
    told(world, "n1", 1, 500, 700, None)
    told(world, "n2", 1, 600)
    assert seen_mib(world) == 700


def test_gpus_that_are_held_sick_or_in_use_say_nothing_of_it(world: World) -> None:
    told(world, "n1", 1, 500, 500)
    told(world, "n2", 1, 900, health="suspect")
    assert seen_mib(world) == 500
    told(world, "n2", 2, 900, processes=1)
    assert seen_mib(world) == 500
    told(world, "n2", 3, 900, processes=None)
    assert seen_mib(world) == 500
    world.ask(2, now=T0 + 4)
    world.turn(T0 + 4)
    assert seen_mib(world) is None


def test_a_pool_shows_its_limit_beside_it(world: World) -> None:
    told(world, "n1", 1, 500)
    told(world, "n2", 1, 300)
    with world.db.snapshot() as session:
        assert pools.get(session, "h100", now=T0).seen_empty_bytes == 500 * MIB
