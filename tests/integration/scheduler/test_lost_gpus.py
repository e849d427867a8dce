"""What is lost while a lease runs is refunded to the second: GPU by GPU, or as a whole to a gang."""

from datetime import date
from typing import Any

import pytest
from sqlmodel import col, select, text

from dure import wire
from scheduler import endings
from scheduler.core.model import CompanyId, Instant
from scheduler.store import boxes, fleet, summaries, usage, uses
from scheduler.store.db import Database
from scheduler.store.summaries import Wanted
from scheduler.store.tables import LedgerEntry
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, DAY, T0, World, company
from tests.integration.scheduler.test_attendance import pass_

LENGTH_S = 100


def started(world: World, gpus: int = 8, **more: Any) -> wire.Lease:
    lease = world.ask(gpus, duration_s=LENGTH_S, **more)
    world.turn(T0)
    assert world.lease(lease).state == "active"
    return lease


def node_of(world: World, lease: wire.Lease, place: int = 0) -> str:
    return world.lease(lease).placement[place].node


def ended(world: World, *, at: int = T0 + LENGTH_S) -> None:
    """The second turn ends what the first one began to end."""
    for node in ("n1", "n2"):
        world.report(node, now=at)
    world.turn(at)
    world.turn(at)


def silent(world: World, node: str, *, now: float) -> None:
    with world.db.begin() as session:
        fleet.set_silent(session, node, now=now)


def settled(world: World, lease: wire.Lease) -> dict[str, int]:
    """GPU-seconds by the cause of each entry at the lease's end, which the ledger's check agrees to."""
    with world.db.snapshot() as session:
        wanted = col(LedgerEntry.lease) == lease.id, col(LedgerEntry.kind).in_(("settle", "refund"))
        found = session.exec(select(LedgerEntry).where(*wanted)).all()
        assert list(boxes.faults(session, company=None, pool=None, most=10)) == []
    return {one.cause: one.gpu_seconds for one in found}


def reported(world: World, *, now: float) -> tuple[int, int]:
    """Leased and lost GPU-seconds of all, by report and, the same, by usage."""
    with world.db.snapshot() as session:
        wanted = Wanted(by=("day", "lease"), since=date(2027, 1, 1), until=date(2027, 2, 1))
        report = summaries.report(session, wanted, actor=ADMIN, now=now, after=None, limit=100)
        stretch = {"since": to_wire(T0 - 5), "until": to_wire(T0 + 5 * LENGTH_S)}
        rows = usage.show(session, actor=ADMIN, company=None, now=now, **stretch).rows
    assert report.total is not None
    found = report.total.leased_gpu_seconds, report.total.lost_gpu_seconds
    assert found == (sum(row.leased_gpu_seconds for row in rows), sum(row.lost_gpu_seconds for row in rows))
    return found


def test_a_sick_gpu_is_refunded_alone_until_it_is_well_again(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 + 20, sick=(0, 1))
    found = world.lease(lease)
    assert found.degraded
    assert [(one.uuid, one.cause, one.until) for one in found.lost] == [
        (f"GPU-{node}-0", "gpu_unhealthy", None),
        (f"GPU-{node}-1", "gpu_unhealthy", None),
    ]
    assert world.events(lease)[-1] == ("degraded", "gpu_unhealthy")
    assert world.detail(lease, "degraded") == {"node": node, "lost_gpus": 2, "refunded_gpus": 2}
    world.report(node, now=T0 + 50, sick=(0,))
    assert world.detail(lease, "degraded")["lost_gpus"] == 1
    world.report(node, now=T0 + 60)
    assert world.events(lease)[-1] == ("healed", "gpu_unhealthy")
    assert not world.lease(lease).degraded
    assert reported(world, now=T0 + 80) == (8 * 80 - 30 - 40, 30 + 40)
    ended(world)
    assert settled(world, lease) == {"delivered": 800 - 70, "capacity_lost": 70}
    assert reported(world, now=T0 + 2 * LENGTH_S) == (730, 70)


def test_a_gang_that_lost_a_gpu_is_refunded_whole(world: World) -> None:
    lease = started(world, shape={"nodes": 2, "gpus_per_node": 4})
    world.report("n1", now=T0 + 20, sick=tuple(range(8)))
    assert world.detail(lease, "degraded") == {"node": "n1", "lost_gpus": 4, "refunded_gpus": 8}
    world.report("n2", now=T0 + 30, gpus=0)
    world.report("n1", now=T0 + 50)
    assert world.lease(lease).degraded
    assert world.detail(lease, "degraded")["lost_gpus"] == 4
    world.report("n2", now=T0 + 60)
    ended(world)
    assert settled(world, lease) == {"delivered": 8 * 60, "capacity_lost": 8 * 40}
    assert reported(world, now=T0 + 2 * LENGTH_S) == (8 * 60, 8 * 40)


def test_a_gang_of_any_size_is_refunded_with_the_size_that_it_had(world: World) -> None:
    lease = started(world, shape={"nodes": 2, "gpus_per_node": 4}, purpose="inference", min=1)
    world.report("n1", now=T0 + 20, sick=tuple(range(8)))
    world.report("n2", now=T0 + 20, sick=tuple(range(8)))
    world.shrink(lease, now=T0 + 30, nodes=1)
    assert world.lease(lease).degraded
    for node in ("n1", "n2"):
        world.report(node, now=T0 + 50)
    ended(world)
    found = settled(world, lease)
    assert (found["delivered"], found["capacity_lost"]) == (8 * 20 + 4 * 50, 8 * 10 + 4 * 20)


def test_gpus_that_are_lost_are_given_back_first(world: World) -> None:
    lease = started(world, purpose="inference", min=1)
    node = node_of(world, lease)
    world.report(node, now=T0 + 20, sick=(3,), busy=[f"GPU-{node}-3"])
    world.shrink(lease, now=T0 + 40, gpus=7)
    found = world.lease(lease)
    assert [one.uuid for one in found.gpus if one.given_back_at] == [f"GPU-{node}-3"]
    assert not found.degraded
    ended(world)
    assert settled(world, lease)["capacity_lost"] == 20


def test_a_node_that_is_never_heard_again_is_lost_since_it_was_heard_last(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 + 40)
    silent(world, node, now=T0 + 55)
    assert world.events(lease)[-1] == ("degraded", "node_unknown")
    assert world.lease(lease).lost[0].since == to_wire(T0 + 40)
    world.turn(T0 + LENGTH_S)
    world.turn(T0 + LENGTH_S)
    assert settled(world, lease) == {"delivered": 8 * 40, "capacity_lost": 8 * 60}
    world.report(node, now=T0 + 300)
    assert settled(world, lease) == {"delivered": 8 * 40, "capacity_lost": 8 * 60}
    assert {one.until for one in world.lease(lease).lost} == {to_wire(T0 + LENGTH_S)}


def test_silence_that_ends_was_no_loss(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 + 40, host_boot="machine-1")
    silent(world, node, now=T0 + 55)
    world.report(node, now=T0 + 60, boot="boot2", host_boot="machine-1")
    assert world.events(lease)[-1] == ("healed", "node_unknown")
    assert world.lease(lease).lost == []
    ended(world)
    assert settled(world, lease) == {"delivered": 800}


@pytest.mark.parametrize("noticed", [True, False], ids=["while it was silent", "before anybody noticed"])
def test_a_machine_that_was_restarted_lost_what_ran_on_it(world: World, *, noticed: bool) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 + 40, host_boot="machine-1")
    if noticed:
        silent(world, node, now=T0 + 55)
    world.report(node, now=T0 + 60, boot="boot2", host_boot="machine-2")
    assert world.events(lease)[-1] == ("healed", "node_restarted")
    assert {(one.since, one.until, one.cause) for one in world.lease(lease).lost} == {
        (to_wire(T0 + 40), to_wire(T0 + 60), "node_restarted")
    }
    ended(world)
    assert settled(world, lease) == {"delivered": 8 * 80, "capacity_lost": 8 * 20}


def test_a_node_that_comes_back_without_a_gpu_lost_it_when_it_fell_silent(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 + 40)
    silent(world, node, now=T0 + 55)
    world.report(node, now=T0 + 60, gpus=7)
    assert {(one.uuid, one.since, one.cause) for one in world.lease(lease).lost} == {
        (f"GPU-{node}-7", to_wire(T0 + 40), "gpu_gone")
    }
    ended(world, at=T0 + LENGTH_S)
    assert settled(world, lease) == {"delivered": 800 - 60, "capacity_lost": 60}


def test_a_restart_of_one_machine_is_no_loss_of_another_that_gave_it_a_gpu(world: World) -> None:
    lease = started(world, shape={"nodes": 2, "gpus_per_node": 4})
    world.report("n1", now=T0 + 10, gpus=7, host_boot="machine-1")
    world.report("n2", now=T0 + 10, host_boot="machine-2")
    assert world.lease(lease).lost == []
    with world.db.begin() as session:
        session.connection().execute(text("UPDATE gpu SET uuid = 'GPU-n2-8' WHERE uuid = 'GPU-n1-7'"))
    world.report("n2", now=T0 + 20, gpus=9, host_boot="machine-2b")
    assert {one.node for one in world.lease(lease).lost} == {"n2"}


def test_what_is_released_while_it_is_lost_is_foretold_and_refunded(world: World) -> None:
    lease = started(world)
    world.report(node_of(world, lease), now=T0 + 20, gpus=0)
    with world.db.snapshot() as session:
        shown = endings.preview_release(session, lease.id, actor=company("acme"), now=T0 + 50)
    assert shown.refund_gpu_seconds == 8 * 80
    world.release(lease, now=T0 + 50)
    world.turn(T0 + 51)
    assert settled(world, lease) == {"delivered": 8 * 20, "capacity_lost": 8 * 30, "released": 8 * 50}


def test_a_period_gets_back_what_was_lost_in_it(world: World) -> None:
    world.set_quota("acme", 16, now=T0, budget={"gpu_seconds": 10_000, "period": "week"})
    lease = started(world)
    world.report(node_of(world, lease), now=T0 + 20, sick=(0,))
    ended(world)
    assert settled(world, lease) == {"delivered": 720, "capacity_lost": 80}


def used(world: World, since: int, until: int) -> int:
    with world.db.snapshot() as session:
        return uses.used(session, "h100", Instant(T0 + since), Instant(T0 + until)).get(CompanyId("acme"), 0)


def test_what_was_lost_counts_as_no_use_for_shares(world: World) -> None:
    lease = started(world)
    world.report(node_of(world, lease), now=T0 + 20, sick=(0, 1))
    assert used(world, 10, 30) == 8 * 20 - 2 * 10


def test_silence_counts_as_use_for_shares_until_it_turns_out_to_be_a_loss(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 + 20, host_boot="machine-1")
    silent(world, node, now=T0 + 30)
    counts = [used(world, 0, 30), used(world, 30, 50)]
    assert counts == [8 * 30, 8 * 20]
    world.report(node, now=T0 + 60, host_boot="machine-2")
    counts.append(used(world, 50, 70))
    silent(world, node, now=T0 + 80)
    counts.append(used(world, 70, 90))
    world.turn(T0 + LENGTH_S)
    world.turn(T0 + LENGTH_S)
    counts.append(used(world, 90, 110))
    assert sum(counts) == settled(world, lease)["delivered"] == 8 * (100 - 40 - 40)


def test_gpus_that_are_well_are_judged_though_others_of_the_lease_are_lost(database: Database) -> None:
    world = World(database).found(no_show_after_s=600)
    lease = world.ask(8, duration_s=3600)
    world.turn(T0)
    pass_(world, 20, 280, sick=(0,))
    pass_(world, 300, 320, sick=(0,))
    assert [one for one, _ in world.events(lease)][-1] == "no_show_soon"


def test_gpus_of_a_silent_node_are_not_known_to_be_unused(database: Database) -> None:
    world = World(database).found(no_show_after_s=600)
    lease = world.ask(shape={"nodes": 2, "gpus_per_node": 4}, duration_s=3600)
    world.turn(T0)
    pass_(world, 20, 200)
    silent(world, "n1", now=T0 + 210)
    pass_(world, 220, 400, silent=("n1",))
    assert [one for one, _ in world.events(lease)][-1] == "degraded"


@pytest.mark.parametrize("shape", [{"nodes": 2, "gpus_per_node": 4}, {"gpus": 12}])
@pytest.mark.parametrize("how", ["sick", "silent"])
def test_a_node_that_is_lost_is_given_back_first(world: World, shape: dict[str, int], how: str) -> None:
    lease = started(world, shape=shape, purpose="inference", min=1)
    if how == "sick":
        world.report("n1", now=T0 + 20, sick=tuple(range(8)))
    else:
        silent(world, "n1", now=T0 + 20)
    world.shrink(lease, now=T0 + 30, **({"nodes": 1} if "nodes" in shape else {"gpus": 4}))
    assert [one.node for one in world.lease(lease).placement] == ["n2"]
    assert not world.lease(lease).degraded


def test_a_report_says_how_gpus_were_used_while_they_were_had(world: World) -> None:
    lease = started(world, shape={"nodes": 2, "gpus_per_node": 8})
    world.report("n1", now=T0 + 50, sick=(0,))
    for node in ("n1", "n2"):
        held = world.report(node, now=T0 + 90, sick=(0,) if node == "n1" else ()).allocations
        use = [
            wire.AllocationUsage(
                allocation=one.allocation,
                day_began_at=DAY,
                sampled_ms=90_000,
                busy_ms=27_000,
                energy_millijoules=90_000,
            )
            for one in held
        ]
        world.report(node, now=T0 + 90, usage=use, sick=(0,) if node == "n1" else ())
    with world.db.snapshot() as session:
        wanted = Wanted(by=("lease",), since=date(2027, 1, 1), until=date(2027, 2, 1))
        [row] = summaries.report(session, wanted, actor=ADMIN, now=T0 + 90, after=None, limit=10).rows
    assert (row.lease, row.leased_gpu_seconds, row.lost_gpu_seconds) == (lease.id, 16 * 50, 16 * 40)
    assert (row.busy_gpu_seconds, row.idle_gpu_seconds, row.unknown_gpu_seconds) == (16 * 15, 16 * 35, 0)
    assert (row.utilization_ppm, row.energy_joules) == (300_000, 16 * 50)
