"""What a lease of MIG instances used, from the report to `dure usage`: energy is not there, which is not zero."""

from datetime import UTC, datetime

from dure import wire
from scheduler.store import usage
from tests.integration.scheduler.conftest import ADMIN, DAY, T0, World


def _use(allocation: str, **more: object) -> wire.AllocationUsage:
    seen = {"allocation": allocation, "day_began_at": DAY, "sampled_ms": 10_000, "busy_ms": 4_000}
    return wire.AllocationUsage.model_validate({**seen, **more})


def _shown(world: World, *, now: float) -> wire.CompanyUsage:
    since, until = datetime.fromtimestamp(T0, UTC), datetime.fromtimestamp(T0 + 1000, UTC)
    with world.db.snapshot() as session:
        (row,) = usage.show(session, actor=ADMIN, company=None, since=since, until=until, now=now).rows
    return row


def _held(world: World) -> list[str]:
    world.turn(T0)
    return [held.allocation for node in ("n1", "n2") for held in world.report(node, now=T0 + 1).allocations]


def _report(world: World, *uses: wire.AllocationUsage) -> None:
    for node in ("n1", "n2"):
        world.report(node, now=T0 + 10, usage=uses)


def test_a_lease_of_instances_has_use_and_no_energy(world: World) -> None:
    world.ask(2)
    _report(world, *(_use(one) for one in _held(world)))
    row = _shown(world, now=T0 + 10)

    assert (row.busy_gpu_seconds, row.idle_gpu_seconds, row.energy_joules) == (8, 12, None)
    assert '"energy_joules":null' in row.model_dump_json()


def test_of_a_lease_with_instances_and_whole_gpus_the_whole_ones_energy_is_told(world: World) -> None:
    world.ask(2)
    first, second = _held(world)
    _report(world, _use(first), _use(second, energy_millijoules=3_000_000))

    assert _shown(world, now=T0 + 10).energy_joules == 3000
