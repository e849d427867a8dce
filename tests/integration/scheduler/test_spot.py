"""Spot: leases on idle GPUs, beyond quota and budget, that are preempted with notice, and are in nobody's way."""

import pytest
from sqlmodel import col, select

from dure import wire
from dure.errors import WrongState
from scheduler import explanations, replays
from scheduler.core.model import CompanyId, Instant
from scheduler.store import sums, uses
from scheduler.store.db import Database
from scheduler.store.tables import Decision
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, GAP_S, T0, World, company

HOUR = 3600
NOTICE_S = 120


def spot(world: World, gpus: int = 8, *, now: float = T0, duration_s: int = HOUR, **more: object) -> wire.Lease:
    return world.ask(gpus, now=now, duration_s=duration_s, **{"tier": "spot", **more})


def replay_all(world: World) -> int:
    """Makes every decision again, and says how many there were."""
    with world.db.snapshot() as session:
        heads = session.exec(select(Decision).where(col(Decision.inputs).is_not(None))).all()
        for head in heads:
            replays.replay(session, head.id, actor=ADMIN)
    return len(heads)


def verify(world: World) -> list[str]:
    with world.db.snapshot() as session:
        return [str(fault) for fault in sums.verify(session, company=None, pool=None, actor=ADMIN).faults]


def test_spot_is_beyond_the_quota_and_starts_at_once(database: Database) -> None:
    world = World(database).found(quota=4)
    lease = spot(world, 12)
    assert (lease.state, lease.tier, lease.decision.code) == ("scheduled", "spot", "starts_on_spot")
    assert lease.stops_at == lease.ends_at == to_wire(Instant(T0 + HOUR))
    assert "on spot from now" in lease.decision.detail
    assert lease.extension_closes is None
    world.turn(T0)
    assert world.lease(lease).state == "active"
    assert world.ask(4, duration_s=100).decision.code == "starts_now", "its quota is as free as before"


def test_a_reserved_ask_preempts_it_with_its_notice_and_starts_right_after_it(world: World) -> None:
    lease = spot(world, 16)
    world.turn(T0)
    asked = world.ask(8, who="globex", now=T0 + 10, duration_s=HOUR)
    start = T0 + 10 + NOTICE_S + GAP_S
    assert (asked.promised_start, asked.starts_at) == (to_wire(Instant(start)), to_wire(Instant(start)))
    assert asked.decision.numbers["waits_for"] == "spot"
    assert "those of spot leases" in asked.decision.detail
    cut = world.lease(lease)
    assert cut.stops_at == to_wire(Instant(T0 + 10 + NOTICE_S))
    assert cut.ends_at == to_wire(Instant(T0 + HOUR))
    assert world.events(lease)[-1] == ("preempting", "preempted")
    told = wire.Preemption(
        told_at=to_wire(Instant(T0 + 10)),
        stops_at=to_wire(Instant(T0 + 10 + NOTICE_S)),
        refund_gpu_seconds=16 * (HOUR - 10 - NOTICE_S),
        decision=asked.decision.id,
    )
    assert (cut.preemption, world.lease(asked).preemption) == (told, None)
    detail = world.detail(lease, "preempting")
    assert detail["in_s"] == NOTICE_S
    assert detail["decision"] == asked.decision.id
    world.turn(T0 + 10 + NOTICE_S)
    world.turn(T0 + 10 + NOTICE_S + 1)
    ended = world.lease(lease)
    assert (ended.state, ended.end_cause) == ("ended", wire.EndCause.PREEMPTED)
    assert ended.preemption == told
    world.clean(T0 + 10 + NOTICE_S + 2)
    world.turn(start)
    assert world.lease(asked).state == "active"
    assert world.lease(asked).late_start_s == 0
    assert verify(world) == []
    assert replay_all(world) >= 2


def test_what_was_cut_is_refunded_and_what_it_had_is_spent(world: World) -> None:
    lease = spot(world, 16)
    world.turn(T0)
    assert world.balance() == (16 * HOUR, 0)
    world.ask(16, who="globex", now=T0 + 10, duration_s=HOUR)
    for now in (T0 + 130, T0 + 131):
        world.turn(now)
    assert world.lease(lease).state == "ended"
    assert world.balance() == (0, 16 * 130)
    with world.db.snapshot() as session:
        told = explanations.explain(
            session, lease.id, actor=ADMIN, expected=world.service.expectations.of(session, T0 + 140)
        )
    said = [step.detail for step in told.steps]
    assert any(detail.startswith("Its company was told that it is preempted in 2 min") for detail in said), said
    assert any("It ended: it was preempted" in detail for detail in said)


def test_as_few_and_as_young_leases_as_can_be_are_preempted(world: World) -> None:
    """On n1 stand two, on n2 one that has run for longer: who needs a node takes that of the one."""
    old = spot(world, 8, duration_s=2 * HOUR)
    world.turn(T0)
    young = [spot(world, 4, now=T0 + 60, duration_s=2 * HOUR) for _ in range(2)]
    world.turn(T0 + 60)
    world.ask(8, who="globex", now=T0 + 70, duration_s=HOUR)
    cut = [lease for lease in (old, *young) if world.lease(lease).stops_at != lease.ends_at]
    assert [lease.id for lease in cut] == [old.id]


def test_who_has_most_over_its_share_is_preempted_first(world: World) -> None:
    mine = [spot(world, 4) for _ in range(3)]
    theirs = spot(world, 4, who="globex")
    world.turn(T0)
    asked = world.ask(4, who="globex", now=T0 + 10, duration_s=HOUR)
    assert asked.state == "scheduled"
    assert world.lease(theirs).stops_at == theirs.ends_at
    assert sum(world.lease(lease).stops_at != lease.ends_at for lease in mine) == 1


def test_it_runs_up_to_what_is_booked_and_goes_on_where_that_is_cancelled(world: World) -> None:
    booked = world.ask(16, who="globex", duration_s=HOUR, start=to_wire(Instant(T0 + 2000)))
    lease = spot(world, 16, duration_s=2 * HOUR)
    assert lease.stops_at == to_wire(Instant(T0 + 2000 - GAP_S))
    assert lease.preemption is None, "it was told so from the first"
    assert "when they are booked" in lease.decision.detail
    world.turn(T0)
    world.cancel(booked, now=T0 + 20)
    world.turn(T0 + 21)
    assert world.lease(lease).stops_at == lease.ends_at
    assert world.events(lease)[-1] == ("goes_on", "capacity")
    assert replay_all(world) >= 3


def test_it_waits_until_gpus_are_idle_for_long_enough(world: World) -> None:
    held = world.ask(16, who="globex", duration_s=300)
    world.turn(T0)
    world.ask(16, who="globex", duration_s=HOUR, start=to_wire(Instant(T0 + 800)))
    lease = spot(world, 8)
    assert (lease.state, lease.decision.code) == ("queued", "waits_for_idle_gpus")
    assert "Queued for spot" in lease.decision.detail
    refused = spot(world, 8, queue=False, now=T0 + 1)
    assert (refused.state, refused.decision.code) == ("refused", "no_idle_gpus")
    world.turn(T0 + 300)
    world.turn(T0 + 301)
    world.clean(T0 + 302)
    world.turn(T0 + 300 + GAP_S)
    assert world.lease(held).state == "ended"
    assert world.lease(lease).state == "queued", "less than ten minutes are left"


def test_queued_spot_is_served_by_who_has_least(world: World) -> None:
    held = world.ask(16, duration_s=200, who="globex")
    world.turn(T0)
    first = [spot(world, 8, now=T0 + k) for k in (1, 2)]
    theirs = spot(world, 8, now=T0 + 3, who="globex")
    world.turn(T0 + 200)
    world.turn(T0 + 201)
    world.clean(T0 + 202)
    world.turn(T0 + 200 + GAP_S)
    assert world.lease(held).state == "ended"
    assert [world.lease(lease).state.value for lease in (*first, theirs)] == ["active", "queued", "active"]


def test_what_would_wait_for_its_share_takes_spot_at_once_if_it_accepts_that(database: Database) -> None:
    world = World(database).found(contended="always")
    waits = world.ask(16, duration_s=HOUR)
    assert waits.decision.code == "waits_for_share"
    world.cancel(waits, now=T0 + 1)
    takes = world.ask(16, duration_s=HOUR, or_spot=True, now=T0 + 2)
    assert (takes.state, takes.tier, takes.decision.code) == ("scheduled", "spot", "starts_on_spot")
    assert takes.notice_s == 900
    world.turn(T0 + 3)
    assert world.lease(takes).state == "active"
    assert replay_all(world) >= 2


def test_what_would_wait_for_its_quota_takes_spot_at_once_if_it_accepts_that(database: Database) -> None:
    world = World(database).found(quota=8)
    booked = world.ask(8, duration_s=HOUR, start=to_wire(Instant(T0 + 1800)))
    takes = world.ask(4, duration_s=HOUR, or_spot=True)
    assert (takes.state, takes.tier, takes.decision.code) == ("scheduled", "spot", "starts_on_spot")
    waits = world.ask(4, duration_s=HOUR)
    assert (waits.tier, waits.decision.numbers["waits_for"]) == ("reserved", "quota")
    full = world.ask(12, duration_s=HOUR, who="globex", tier="spot")
    assert full.state == "scheduled"
    same = world.ask(4, duration_s=HOUR, or_spot=True, now=T0 + 1)
    assert (same.tier, same.promised_start) == ("reserved", waits.promised_start), "nothing is idle any more"
    assert world.lease(booked).state == "scheduled"
    assert replay_all(world) >= 4


def test_beyond_its_share_a_turn_takes_spot_of_those_alone_who_are_more_over_theirs(database: Database) -> None:
    """Both have 8 GPUs as their shares; acme has 8 reserved and 4 of spot, globex 4 of spot."""
    world = World(database).found(contended="always")
    world.ask(8, duration_s=HOUR)
    mine, theirs = spot(world, 4), spot(world, 4, who="globex")
    world.turn(T0)
    beyond = world.ask(4, duration_s=HOUR, now=T0 + 5, notice_s=0)
    world.turn(T0 + 6)
    assert beyond.decision.code == "waits_for_share"
    assert world.lease(beyond).starts_at == to_wire(Instant(T0 + HOUR + GAP_S)), "once theirs is over"
    assert [world.lease(one).stops_at == one.ends_at for one in (mine, theirs)] == [True, True]
    within = world.ask(8, duration_s=HOUR, who="globex", now=T0 + 10)
    assert within.state == "scheduled"
    assert [world.lease(one).stops_at == one.ends_at for one in (mine, theirs)] == [False, False]


def test_spot_is_used_of_a_share_and_takes_nothing_of_quota_or_budget(database: Database) -> None:
    world = World(database).found(contended="always")
    world.set_quota("acme", 16, now=T0, budget={"gpu_seconds": 8 * 100, "period": "month"})
    spot(world, 16)
    world.turn(T0)
    found = world.quota(now=T0 + 10)
    assert [(one.spent_gpu_seconds, one.booked_gpu_seconds) for one in found.periods][:1] == [(0, 0)]
    with world.db.snapshot() as session:
        assert uses.used(session, "h100", Instant(T0), Instant(T0 + 10)) == {"acme": 160}
        _, book = world.service.books.seen(session, "h100", Instant(T0 + 10))
    assert book.held(CompanyId("acme")).at(T0 + 10) == 0
    assert verify(world) == []


def test_queued_spot_reclaims_that_of_who_is_more_over_its_share_with_notice(database: Database) -> None:
    """acme has all 16 GPUs of spot; globex, who has nothing, gets what keeps it below acme."""
    world = World(database).found(contended="always")
    lent = [spot(world, 4, duration_s=4 * HOUR) for _ in range(4)]
    world.turn(T0)
    waits = spot(world, 4, who="globex", now=T0 + 60, duration_s=HOUR)
    world.turn(T0 + 61)
    assert world.lease(waits).state == "queued", "what has only just started is left alone"
    later = T0 + 600
    world.turn(later)
    start = Instant(later + NOTICE_S + GAP_S)
    assert (world.lease(waits).state, world.lease(waits).starts_at) == ("scheduled", to_wire(start))
    [cut] = [lease for lease in lent if world.lease(lease).stops_at != lease.ends_at]
    assert world.lease(cut).stops_at == to_wire(Instant(later + NOTICE_S))
    assert world.events(cut)[-1] == ("preempting", "preempted")
    for now in (later + NOTICE_S, later + NOTICE_S + 1):
        world.turn(now)
    world.clean(later + NOTICE_S + 2)
    world.turn(start)
    assert world.lease(cut).end_cause is wire.EndCause.PREEMPTED
    assert world.lease(waits).state == "active"
    assert world.overbooked(start) == []
    assert verify(world) == []
    assert replay_all(world) >= 2


def test_a_pool_may_offer_none(database: Database) -> None:
    world = World(database).found(spot_least_s=None)
    lease = spot(world, 4)
    assert (lease.state, lease.decision.code) == ("refused", "spot_not_offered")


def test_it_is_given_no_other_end_or_size(world: World) -> None:
    lease = spot(world, 4)
    world.turn(T0)
    for change in (
        lambda: world.extend(lease, now=T0 + 1, by_s=60),
        lambda: world.shrink(lease, now=T0 + 1, gpus=1),
        lambda: world.resize(lease, now=T0 + 1, gpus=8),
    ):
        with pytest.raises(WrongState, match="is spot"):
            change()
    world.release(lease, now=T0 + 2)
    world.turn(T0 + 3)
    assert world.lease(lease).end_cause is wire.EndCause.RELEASED


def test_an_extension_has_the_gpus_of_spot_for_those_that_make_way(world: World) -> None:
    """globex runs on n1, acme has booked it from its end on, and spot is on n2."""
    runs = world.ask(8, who="globex", duration_s=900)
    world.turn(T0)
    booked = world.ask(8, duration_s=HOUR, start=to_wire(Instant(T0 + 900 + GAP_S)))
    lease = spot(world, 8, now=T0 + 5, duration_s=4 * HOUR)
    world.turn(T0 + 5)
    assert world.lease(lease).stops_at == lease.ends_at
    found = world.extend(runs, now=T0 + 10, by_s=600)
    assert found.others == 2
    assert world.lease(lease).stops_at == to_wire(Instant(T0 + 900))
    assert world.events(lease)[-1] == ("preempting", "preempted")
    assert world.lease(booked).starts_at == booked.starts_at
    assert world.overbooked(T0 + 10) == []
    assert replay_all(world) >= 3


def test_a_lost_node_is_healed_by_preempting_spot(world: World) -> None:
    spot(world, 8, duration_s=4 * HOUR)
    world.turn(T0)
    booked = world.ask(8, who="globex", duration_s=HOUR, start=to_wire(Instant(T0 + 1800)), now=T0 + 1)
    [share] = booked.placement
    for second in (10, 400):
        world.report(share.node, now=T0 + second, health="unhealthy")
        world.turn(T0 + second)
    assert world.lease(booked).starts_at == booked.starts_at
    assert world.lease(booked).placement != booked.placement
    assert world.overbooked(T0 + 400) == []


def test_a_start_that_is_blocked_slips_no_further_than_the_notice_of_spot(database: Database) -> None:
    world = World(database).found(loss_grace_s=60)
    booked = world.ask(8, who="globex", duration_s=HOUR, start=to_wire(Instant(T0 + 100)))
    [share] = booked.placement
    lease = spot(world, 8, duration_s=8 * HOUR)
    world.turn(T0)
    busy = [f"GPU-{share.node}-{index}" for index in range(8)]
    second = 80
    while second < 170 and world.events(booked)[-1][0] != "slipped":
        second += 10
        world.report(share.node, now=T0 + second, busy=busy, processes=1)
        world.report("n1" if share.node == "n2" else "n2", now=T0 + second)
        world.turn(T0 + second)
    found = world.lease(booked)
    assert found.slips
    assert found.promised_start is not None
    assert found.promised_start.timestamp() <= T0 + second + 1 + NOTICE_S + GAP_S
    assert world.lease(lease).stops_at == lease.ends_at or world.events(lease)[-1] == ("preempting", "preempted")
    assert world.overbooked(T0 + second) == []
    assert replay_all(world) >= 3


def test_what_is_more_than_the_quota_takes_spot_if_it_accepts_that(database: Database) -> None:
    world = World(database).found(quota=4)
    assert world.ask(8, duration_s=HOUR).decision.code == "quota_exceeded"
    takes = world.ask(8, duration_s=HOUR, or_spot=True, now=T0 + 1)
    assert (takes.state, takes.tier) == ("scheduled", "spot")


def test_a_company_is_told_who_it_is_and_another_sees_nothing_of_it(world: World) -> None:
    lease = spot(world, 16)
    world.turn(T0)
    world.ask(8, who="globex", now=T0 + 10, duration_s=HOUR)
    with world.db.snapshot() as session:
        told = explanations.explain(
            session, lease.id, actor=company("acme"), expected=world.service.expectations.of(session, T0 + 20)
        )
    assert "globex" not in told.model_dump_json()
