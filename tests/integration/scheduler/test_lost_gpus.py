"""What is lost while a lease runs is refunded to the second: GPU by GPU, or as a whole to a gang."""

from datetime import date
from typing import Any

import pytest
from sqlmodel import col, select, text

from dure import wire
from scheduler import endings
from scheduler.core.model import Instant
from scheduler.store import boxes, fleet, summaries, usage, uses
from scheduler.store.db import Database
from scheduler.store.summaries import Wanted
from scheduler.store.tables import LedgerEntry
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, T0, World, company
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


def test_what_was_lost_counts_as_no_use_for_shares(world: World) -> None:
    lease = started(world)
    world.report(node_of(world, lease), now=T0 + 20, sick=(0, 1))
    with world.db.snapshot() as session:
        assert uses.used(session, "h100", Instant(T0 + 10), Instant(T0 + 30)) == {"acme": 8 * 20 - 2 * 10}


def test_a_lease_without_some_of_its_gpus_is_not_given_back_for_want_of_work(database: Database) -> None:
    world = World(database).found(no_show_after_s=600)
    lease = world.ask(8, duration_s=3600)
    world.turn(T0)
    node = node_of(world, lease)
    pass_(world, 20, 280)
    pass_(world, 300, 400, sick=(0,))
    assert [one for one, _ in world.events(lease)][-1] == "degraded"
    world.report(node, now=T0 + 410)
    pass_(world, 420, 420)
    assert [one for one, _ in world.events(lease)][-2:] == ["healed", "no_show_soon"]


def test_no_second_is_lost_twice_within_fractions_of_one(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 + 20.5, host_boot="machine-1")
    world.report(node, now=T0 + 30.5, host_boot="machine-2")
    world.report(node, now=T0 + 40.5, host_boot="machine-3")
    world.report(node, now=T0 + 50.5, sick=(0,), host_boot="machine-3")
    world.report(node, now=T0 + 60.5, host_boot="machine-3")
    silent(world, node, now=T0 + 70)
    world.turn(T0 + LENGTH_S)
    world.turn(T0 + LENGTH_S)
    assert settled(world, lease)["capacity_lost"] == 8 * (41 - 20) + (61 - 51) + 7 * (100 - 60) + (100 - 61)


@pytest.mark.parametrize("later", [T0 + 5, T0 + 29])
def test_a_clock_that_was_put_back_refuses_no_report(world: World, later: int) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 + 30, sick=(0,), host_boot="machine-1")
    world.report(node, now=later, sick=(1,), host_boot="machine-2")
    silent(world, node, now=later)
    world.report(node, now=later - 1, host_boot="machine-3")
    assert not world.lease(lease).degraded
    ended(world)
    assert settled(world, lease)["delivered"] <= 8 * LENGTH_S


def test_a_machine_restarted_before_its_lease_began_by_another_clock_refuses_no_report(world: World) -> None:
    lease = started(world)
    node = node_of(world, lease)
    world.report(node, now=T0 - 2, host_boot="machine-1")
    world.report(node, now=T0 - 1, host_boot="machine-2")
    assert world.lease(lease).lost == []


def test_what_was_given_back_in_a_silence_that_ends_was_not_lost(world: World) -> None:
    lease = started(world, shape={"nodes": 2, "gpus_per_node": 4}, purpose="inference", min=1)
    for node in ("n1", "n2"):
        silent(world, node, now=T0 + 40)
    world.shrink(lease, now=T0 + 60, nodes=1)
    for node in ("n1", "n2"):
        world.report(node, now=T0 + 65)
    ended(world)
    assert settled(world, lease) == {"delivered": 8 * 60 + 4 * 40, "shrunk": 4 * 40}
