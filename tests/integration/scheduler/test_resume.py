"""A node is given back: what waits is planned again at once, and what its drain touched is told."""

import pytest

from dure import wire
from dure.errors import NotDrained, UnknownNode
from scheduler import maintenance
from scheduler.core.model import Instant, LeaseId
from scheduler.store import books, nodes, records
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, GAP_S, T0, World

HOUR = 3600


def drain(world: World, node: str = "n1", *, start: int | None = None, duration_s: int = HOUR) -> None:
    body = wire.DrainNode(start=to_wire(start), duration_s=duration_s, reason="new driver")
    with world.db.begin() as session:
        maintenance.drain(world.service, session, node, body, actor=ADMIN, now=T0)


def resume(world: World, node: str = "n1", *, now: float) -> wire.Drained:
    with world.db.begin() as session:
        return maintenance.resume(world.service, session, node, actor=ADMIN, now=now)


def preview(world: World, node: str = "n1", *, now: float) -> wire.Drained:
    with world.db.snapshot() as session:
        return maintenance.preview_resume(world.service, session, node, now=now)


def drains(world: World, node: str = "n1", *, now: float) -> list[wire.Drain]:
    with world.db.snapshot() as session:
        return nodes.get(session, node, now=now).drains


def test_a_node_gives_its_gpus_again(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    drain(world)
    resume(world, now=T0 + 60)
    assert world.ask(8, now=T0 + 61, duration_s=60).starts_at == to_wire(T0 + 61)
    assert drains(world, now=T0 + 61) == []


def test_every_drain_of_a_node_ends_and_one_that_has_not_begun_never_does(world: World) -> None:
    drain(world, start=T0 + 100, duration_s=100)
    drain(world, start=T0 + 150, duration_s=100)
    found = resume(world, now=T0 + 120)
    assert [(one.starts_at, one.ends_at, one.empty_from) for one in found.drains] == [
        (to_wire(T0 + 100), to_wire(T0 + 120), None),
        (to_wire(T0 + 150), to_wire(T0 + 150), None),
    ]
    assert drains(world, now=T0 + 121) == []


def test_what_would_be_planned_again_is_what_is(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    drain(world, duration_s=2 * HOUR)
    later = world.ask(4, duration_s=HOUR, notice_s=0)
    queued = world.ask(4, duration_s=60, start_by=to_wire(T0 + 1800), who="globex")
    assert (later.starts_at, queued.state) == (to_wire(T0 + 2 * HOUR), "queued")
    expected = preview(world, now=T0 + 60)
    assert [one.ends_at for one in drains(world, now=T0 + 60)] == [to_wire(T0 + 2 * HOUR)]
    found = resume(world, now=T0 + 60)
    assert found == expected
    assert [(one.lease, one.slipped_s) for one in found.moved] == [(later.id, 0)]
    assert [(one.lease, one.starts_at) for one in found.pulled] == [(queued.id, world.lease(queued).promised_start)]
    assert world.lease(queued).state == "scheduled"


def test_what_runs_there_is_told_and_can_be_extended_again(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    idle = world.ask(4, duration_s=HOUR, who="globex")
    world.turn(T0)
    on = lease.placement[0].node
    assert idle.placement[0].node != on
    drain(world, on, start=T0 + HOUR - 60)
    assert [one.lease for one in resume(world, on, now=T0 + 60).running] == [lease.id]
    assert world.events(lease)[-2:] == [("drain_notice", "drain"), ("drain_lifted", "drain")]
    assert "drain_lifted" not in [event for event, _ in world.events(idle)]
    longer = world.extend(world.lease(lease), now=T0 + 61, by_s=600)
    assert longer.lease.ends_at == to_wire(T0 + HOUR + 600)


@pytest.mark.parametrize("how", [resume, preview])
def test_a_node_that_is_not_drained_is_not_given_back(world: World, how: object) -> None:
    assert callable(how)
    drain(world)
    with pytest.raises(NotDrained):
        how(world, now=T0 + HOUR)
    with pytest.raises(NotDrained):
        how(world, "n2", now=T0)
    with pytest.raises(UnknownNode):
        how(world, "n9", now=T0)


def test_a_lease_asked_for_a_time_has_it_back_once_its_node_is_resumed(database: Database) -> None:
    world, day = World(database).found(nodes_=("n1",), gpus=8), 24 * HOUR
    lease = world.ask(8, start=to_wire(T0 + day), duration_s=HOUR)
    drain(world, start=T0 + day, duration_s=2 * HOUR)
    slipped = world.lease(lease)
    assert (slipped.promised_start, slipped.late_cause) == (to_wire(T0 + day + 2 * HOUR), "drain")

    [moved] = resume(world, now=T0 + 60).moved

    assert (moved.promised_start_before, moved.promised_start) == (slipped.promised_start, lease.promised_start)
    back = world.lease(lease)
    assert (back.promised_start, back.starts_at, back.late_cause) == (lease.promised_start, lease.starts_at, None)
    assert world.events(lease)[-1] == ("moved", "earlier")
    world.turn(T0 + day)
    assert world.lease(lease).state is wire.LeaseState.ACTIVE


def test_a_lease_that_starts_when_it_can_is_promised_again_what_it_was_once_its_node_is_resumed(
    database: Database,
) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    world.ask(8, duration_s=4 * HOUR)
    lease = world.ask(8, duration_s=HOUR)
    assert lease.promised_start is not None
    world.turn(T0)
    drain(world, start=T0 + 4 * HOUR + GAP_S, duration_s=9 * HOUR)
    slipped = world.lease(lease)
    assert slipped.promised_start == to_wire(T0 + 13 * HOUR + GAP_S)
    with database.snapshot() as session:
        assert (
            books.fresh(session, "h100", Instant(int(T0))).leases[LeaseId(lease.id)].owed
            == lease.promised_start.timestamp()
        )

    resume(world, now=T0 + 60)

    back = world.lease(lease)
    assert (back.promised_start, back.late_cause) == (lease.promised_start, None)
    assert world.detail(lease, "moved")["promised_start"] == records.time(int(lease.promised_start.timestamp()))
