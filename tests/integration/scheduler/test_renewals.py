"""Leases that renew themselves: extended before extending closes, or told in good time why not and when they end."""

import pytest

from dure import wire
from dure.errors import TooLateToExtend, WrongState
from scheduler import policies
from scheduler.core.extend import closes_at
from scheduler.core.words import time as rfc
from scheduler.store import due, leases, shown_leases
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, GAP_S, T0, World
from tests.integration.scheduler.test_maintenance import drain

HOUR = 3600
OPENS_S = 600 + 900
"""Of a box of an hour: ten minutes for extending to close, and a quarter of the box before that."""


def serving(world: World, gpus: int = 8, duration_s: int = HOUR) -> wire.Lease:
    lease = world.ask(gpus, duration_s=duration_s, purpose="inference", renew=True)
    world.turn(T0)
    return lease


def told(world: World, lease: wire.Lease) -> list[tuple[str, str | None]]:
    return [found for found in world.events(lease) if found[0].startswith("renew")]


def is_due(world: World, at: int) -> bool:
    with world.db.snapshot() as session:
        [pool] = due.pools(session, now=at)
    return pool.renewals


def test_a_lease_renews_itself_again_and_again_by_the_length_it_was_asked_for(world: World) -> None:
    lease = serving(world, 4)
    gpus = world.lease(lease).gpus
    for hours in (1, 2, 3):
        world.turn(T0 + hours * HOUR - 700)
        assert world.lease(lease).ends_at == to_wire(T0 + (hours + 1) * HOUR)
    found = world.lease(lease)
    assert told(world, lease) == [("renewed", "renewed")] * 3
    assert (found.state, found.gpus, found.renew_s) == ("active", gpus, HOUR)
    assert world.balance() == (4 * 4 * HOUR, 0)


def test_a_renewal_is_decided_at_the_second_at_which_it_is_due_and_the_loop_wakes_for_it(world: World) -> None:
    lease = serving(world)
    opens = T0 + HOUR - OPENS_S
    with world.db.snapshot() as session:
        assert due.next_edge(session, now=opens - 1) == opens
    assert [is_due(world, at) for at in (opens - 1, opens)] == [False, True]
    world.turn(opens - 1)
    assert world.lease(lease).ends_at == to_wire(T0 + HOUR)
    world.turn(opens)
    assert world.lease(lease).ends_at == to_wire(T0 + 2 * HOUR)


def test_a_pool_says_how_long_before_extending_closes_leases_renew_themselves(database: Database) -> None:
    world = World(database).found(renews_before_s=120)
    serving(world)
    opens = T0 + HOUR - 600 - 120
    assert [is_due(world, at) for at in (opens - 1, opens)] == [False, True]
    with world.db.begin() as session:
        body = wire.PolicyChange(renews_before_s=240)
        found = policies.change_policy(world.service, session, "h100", body, actor=ADMIN, now=T0 + 1)
    assert found.renews_before_s == 240
    assert [is_due(world, at) for at in (opens - 121, opens - 120)] == [False, True]
    with world.db.snapshot() as session:
        assert due.next_edge(session, now=opens - 121) == opens - 120


def test_a_renewal_that_cannot_be_is_told_once_and_in_time(database: Database) -> None:
    world = World(database).found(nodes_=("n1",))
    lease = serving(world)
    world.ask(8, who="globex", start=to_wire(T0 + HOUR + GAP_S), duration_s=HOUR)
    for before_s in (1400, 1300, 1200, 700, 500):
        world.turn(T0 + HOUR - before_s)
    assert told(world, lease) == [("renewal_refused", "promise")]
    with world.db.snapshot() as session:
        page = shown_leases.events(session, lease.id, actor=ADMIN, after=None, limit=10)
    detail = next(event.detail for event in page.items if event.event == "renewal_refused")
    assert {name: value for name, value in detail.items() if name != "decision"} == {
        "in_the_way": "promise",
        "ends_at": rfc(T0 + HOUR),
    }


def test_a_renewal_goes_as_far_as_it_can_and_is_tried_again_from_there(database: Database) -> None:
    world = World(database).found(nodes_=("n1",))
    lease = serving(world)
    other = world.ask(8, who="globex", start=to_wire(T0 + HOUR + 2000), duration_s=HOUR)
    world.turn(T0 + HOUR - OPENS_S)
    end = T0 + HOUR + 2000 - GAP_S
    assert world.lease(lease).ends_at == to_wire(end)
    world.turn(end - 1900)
    assert told(world, lease) == [("renewed", "renewed"), ("renewal_refused", "promise")]
    world.cancel(other, now=end - 1850)
    world.turn(end - 1841)
    assert world.lease(lease).ends_at == to_wire(end)
    world.turn(end - 1840)
    assert world.lease(lease).ends_at == to_wire(end + HOUR)
    assert told(world, lease)[-1] == ("renewed", "renewed")


def test_a_renewal_when_the_quota_was_lowered_is_refused_with_that(world: World) -> None:
    lease = serving(world)
    world.set_quota("acme", 4, now=T0 + 10)
    world.turn(T0 + HOUR - OPENS_S)
    assert told(world, lease) == [("renewal_refused", "quota")]
    world.set_quota("acme", 8, now=T0 + HOUR - 900)
    world.turn(T0 + HOUR - 800)
    assert told(world, lease)[-1] == ("renewed", "renewed")


def test_a_renewal_into_a_drain_stops_before_it(database: Database) -> None:
    world = World(database).found(nodes_=("n1",))
    lease = serving(world)
    drain(world, start=T0 + HOUR + 600, now=T0 + 5)
    world.turn(T0 + HOUR - OPENS_S)
    assert world.lease(lease).ends_at == to_wire(T0 + HOUR + 600 - GAP_S)
    world.turn(T0 + HOUR - 600)
    assert told(world, lease) == [("renewed", "renewed"), ("renewal_refused", "drain")]
    assert {"node": "n1", "drain_starts_at": rfc(T0 + HOUR + 600), "reason": "new driver"}.items() <= world.detail(
        lease, "renewal_refused"
    ).items()


def test_a_renewal_that_nobody_was_there_for_is_told_when_somebody_is(world: World) -> None:
    lease = serving(world)
    world.turn(T0 + HOUR - 300)
    world.turn(T0 + HOUR - 200)
    assert told(world, lease) == [("renewal_refused", "too_late")]
    assert world.lease(lease).ends_at == to_wire(T0 + HOUR)


def test_renewal_is_set_and_taken_back_while_extending_is_open(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR, purpose="inference")
    world.turn(T0)
    assert world.set_renewal(lease, now=T0 + 10, renew=True).renew_s == HOUR
    assert world.set_renewal(lease, now=T0 + 20, renew=False).renew is False
    world.turn(T0 + HOUR - 700)
    assert told(world, lease) == []
    with pytest.raises(TooLateToExtend):
        world.set_renewal(lease, now=T0 + HOUR - 600, renew=True)
    assert world.set_renewal(lease, now=T0 + HOUR - 600, renew=False).renew is False
    training = world.ask(8, duration_s=HOUR, now=T0 + 10)
    with pytest.raises(WrongState, match="only inference"):
        world.set_renewal(training, now=T0 + 10, renew=True)


def test_who_asks_for_an_earlier_end_is_not_renewed_past_it(world: World) -> None:
    lease = serving(world)
    found = world.shrink(lease, now=T0 + 10, by_s=600)
    assert (found.lease.renew, world.lease(lease).renew) == (False, False)
    world.turn(T0 + HOUR - 600 - 700)
    assert world.lease(lease).ends_at == to_wire(T0 + HOUR - 600)


def test_a_renewed_lease_that_is_released_is_settled_to_the_second(world: World) -> None:
    lease = serving(world, 4)
    world.turn(T0 + HOUR - 700)
    world.release(lease, now=T0 + HOUR + 77)
    world.turn(T0 + HOUR + 78)
    assert world.balance() == (0, 4 * (HOUR + 77))


@pytest.mark.parametrize("duration_s", [1, 2, 7, 100, 4001, 20_000, 400_000])
def test_a_renewal_of_any_length_is_due_before_extending_closes(world: World, duration_s: int) -> None:
    lease = serving(world, 4, duration_s)
    with world.db.snapshot() as session:
        [(_, core)] = leases.with_core(session, [leases.row(session, lease.id, actor=ADMIN)])
    closes = closes_at(core, 600)
    assert closes is not None
    opens = closes - min(1800, duration_s // 4)
    assert [is_due(world, at) for at in (opens - 1, opens)] == [False, True]


def test_a_queued_lease_that_is_told_to_renew_is_answered_with_when_it_is_expected(world: World) -> None:
    world.ask(16, who="globex", duration_s=59 * 86_400)
    world.turn(T0)
    queued = world.ask(8, duration_s=2 * 86_400, purpose="inference", now=T0 + 1)
    assert (queued.state, queued.estimated_start) == ("queued", to_wire(T0 + 59 * 86_400 + GAP_S))
    assert world.set_renewal(queued, now=T0 + 2, renew=True).estimated_start == queued.estimated_start
