"""A decision can be looked up, followed to, and made again from the history; what was changed behind it is found."""

import psycopg
import pytest

from dure import wire
from dure.errors import DecisionDiffers, DureError, HistoryIncomplete, UnknownDecision
from scheduler import decisions, explanations, replays
from scheduler.actor import Actor
from scheduler.service import Request
from scheduler.store import fleet, nodes, pools, quotas
from scheduler.store.db import Database
from scheduler.store.tables import Decision
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, T0, World, company
from tests.integration.scheduler.test_history import Day

ACME, GLOBEX = company("acme"), company("globex")


def replay(world: World, decision: str | None, actor: Actor = ADMIN) -> wire.Replayed:
    with world.db.snapshot() as session:
        return replays.replay(session, decision or "", actor=actor)


def show(world: World, decision: str | None, actor: Actor = ADMIN) -> wire.DecisionRecord:
    with world.db.snapshot() as session:
        return decisions.show(session, decision or "", actor=actor)


def explain(world: World, lease: wire.Lease, actor: Actor = ADMIN) -> wire.Explanation:
    with world.db.snapshot() as session:
        return explanations.explain(session, lease.id, actor=actor, expected=world.service.expectations.of(session, T0))


def kept(world: World) -> list[Decision]:
    from sqlmodel import col, select

    with world.db.snapshot() as session:
        return list(session.exec(select(Decision).where(col(Decision.inputs).is_not(None)).order_by(col(Decision.id))))


def as_owner(world: World, statement: str, *values: object) -> None:
    """What no process of ours may do."""
    with psycopg.connect(world.db.url, autocommit=True) as connection:
        assert connection.execute(statement.encode(), values).rowcount > 0


def together(world: World, *asks: tuple[Actor, wire.Ask], now: float = T0) -> list[wire.Lease]:
    with world.db.begin() as session:
        found = world.service.ask_all(session, "h100", [Request(body=ask, actor=who) for who, ask in asks], now=now)
    return [one for one in found if not isinstance(one, DureError)]


def an_ask(gpus: int = 8, duration_s: int = 100, **more: object) -> wire.Ask:
    return wire.Ask.model_validate({"pool": "h100", "shape": {"gpus": gpus}, "duration_s": duration_s, **more})


@pytest.mark.parametrize("seed", range(2))
def test_every_decision_of_a_random_day_comes_out_the_same_again(database: Database, seed: int) -> None:
    day = Day(World(database).found(slack_ppm=200_000), seed)
    for _ in range(60):
        day.go_on()
    found = kept(day.world)
    assert len(found) > 15
    for head in found:
        again = replay(day.world, head.id)
        assert (again.generation, again.inputs_digest) == (head.generation, head.inputs_digest)


def test_an_ask_that_was_decided_with_others_leads_to_what_they_were_decided_from(world: World) -> None:
    first, second = together(world, (ACME, an_ask(8)), (GLOBEX, an_ask(12)))
    head, part = show(world, first.decision.id), show(world, second.decision.id)
    assert (part.part_of, part.inputs_digest) == (head.id, head.inputs_digest)
    assert [(one.lease, one.got, one.code) for one in head.order] == [
        (first.id, "scheduled", "starts_now"),
        (second.id, "scheduled", second.decision.code),
    ]
    assert replay(world, part.id).decision == head.id


def test_a_move_leads_to_the_plan_that_made_it(world: World) -> None:
    runs = world.ask(16, duration_s=1000)
    world.turn(T0)
    waits = world.ask(8, duration_s=100, notice_s=0, now=T0 + 1, who="globex")
    world.release(runs, now=T0 + 50)
    for second in (51, 60, 61, 62):
        world.turn(T0 + second)
    for node in ("n1", "n2"):
        world.report(node, now=T0 + 62)
    steps = explain(world, waits).steps
    moved = next(step for step in steps if step.event == "moved")
    assert moved.detail.startswith("Its start was moved earlier, from ")
    plan = show(world, moved.decision)
    assert (plan.kind, plan.lease, plan.code) == ("replan", None, "planned")
    assert [(one.lease, one.cause) for one in plan.order] == [(waits.id, "earlier")]
    assert plan.detail == "Planned again: 1 lease starts earlier."
    assert replay(world, plan.id).looked_at == 1


def test_a_queued_ask_that_is_promised_a_start_leads_to_the_plan(world: World) -> None:
    runs = world.ask(16, duration_s=1000)
    waits = world.ask(8, start_by="2027-01-15T08:05:00Z", who="globex", now=T0 + 1)
    assert waits.state is wire.LeaseState.QUEUED
    world.turn(T0 + 1)
    world.release(runs, now=T0 + 50)
    world.turn(T0 + 51)
    decided = show(world, world.lease(waits).decision.id)
    assert (decided.kind, decided.lease) == ("replan", waits.id)
    plan = show(world, decided.part_of)
    assert [(one.lease, one.was, one.got) for one in plan.order] == [(waits.id, "queued", "scheduled")]
    replay(world, decided.id)


def test_a_refusal_says_where_else_it_would_be_granted(world: World) -> None:
    with world.db.begin() as session:
        body = wire.PoolCreate(name="a100", product="NVIDIA A100-SXM4-40GB", gap_s=10)
        pools.add(session, body, actor=ADMIN, now=T0)
        nodes.enroll(session, wire.NodeEnroll(name="n3"), actor=ADMIN, now=T0)
        quotas.put(session, "acme", "a100", wire.QuotaSet(gpus=8), actor=ADMIN, now=T0)
    world.report("n3", now=T0, product="NVIDIA A100-SXM4-40GB")
    world.ask(16, duration_s=1000)
    refused = world.ask(8, start_by="2027-01-15T08:00:10Z", queue=False, now=T0 + 1)
    [option] = refused.decision.elsewhere
    assert (option.pool, option.code) == ("a100", "starts_now")
    assert refused.decision.detail.endswith("It would be granted now in pool a100 (from now).")
    assert replay(world, refused.decision.id).elsewhere == 1
    as_owner(world, "DELETE FROM pool_change WHERE pool = 'a100' AND kind = 'quota'")
    with pytest.raises(HistoryIncomplete, match="pool a100 up to generation"):
        replay(world, refused.decision.id)


def test_a_company_sees_what_it_was_decided_with_but_no_names(world: World) -> None:
    first, second = together(world, (ACME, an_ask(8)), (GLOBEX, an_ask(12)))
    seen = show(world, second.decision.id, GLOBEX)
    assert [(one.lease, one.company, one.gpus) for one in seen.order] == [(None, None, 8), (second.id, "globex", 12)]
    head = show(world, first.decision.id, GLOBEX)
    assert (head.lease, head.company, head.numbers, head.code) == (None, None, {}, "ask")
    assert first.id not in head.model_dump_json()
    assert "acme" not in head.model_dump_json()
    replay(world, second.decision.id, GLOBEX)


def test_a_decision_about_others_alone_is_none(world: World) -> None:
    lease = world.ask(8)
    for look in (show, replay):
        with pytest.raises(UnknownDecision):
            look(world, lease.decision.id, GLOBEX)
        with pytest.raises(UnknownDecision):
            look(world, "dec_0", ADMIN)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("UPDATE pool_change SET value = value || '{\"gpus\": 15}' WHERE kind = 'quota'", id="a quota"),
        pytest.param("UPDATE pool_change SET value = value || '{\"capacity\": 7}' WHERE kind = 'node'", id="a node"),
        pytest.param("DELETE FROM pool_change WHERE kind = 'lease'", id="a lease that is not there"),
        pytest.param("UPDATE decision SET inputs = replace(inputs, ':100,', ':101,')", id="what was asked"),
        pytest.param("UPDATE decision SET generation = generation - 1", id="the generation"),
    ],
)
def test_a_history_that_was_changed_is_found(world: World, change: str) -> None:
    world.ask(8)
    lease = world.ask(8, now=T0 + 1)
    replay(world, lease.decision.id)
    as_owner(world, change)
    with pytest.raises(HistoryIncomplete, match="digest"):
        replay(world, lease.decision.id)


def test_a_result_that_was_changed_is_found_and_said(world: World) -> None:
    lease = world.ask(8)
    as_owner(world, "UPDATE decision SET result = replace(result, 'starts_now', 'starts_later')")
    with pytest.raises(DecisionDiffers) as caught:
        replay(world, lease.decision.id)
    [field] = caught.value.errors
    assert field.field == "result.asks[0][1].code"
    assert field.message == 'was "starts_later", comes out as "starts_now"'
    with pytest.raises(DecisionDiffers) as caught:
        replay(world, lease.decision.id, ACME)
    assert [found.message for found in caught.value.errors] == ["differs"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(
            'UPDATE decision SET inputs = replace(inputs, \'"version":"6"\', \'"version":"1"\')',
            "version 1 of the rules",
            id="other rules",
        ),
        pytest.param(
            "UPDATE decision SET inputs = NULL, inputs_digest = NULL, result = NULL",
            "older than the keeping",
            id="before inputs were kept",
        ),
    ],
)
def test_what_this_server_cannot_make_again_it_says(world: World, change: str, says: str) -> None:
    lease = world.ask(8)
    as_owner(world, change)
    with pytest.raises(HistoryIncomplete, match=says):
        replay(world, lease.decision.id)
    show(world, lease.decision.id)


def silent(world: World, *names: str, now: float) -> None:
    with world.db.begin() as session:
        for name in names:
            fleet.set_silent(session, name, now=now)


def move_of(world: World, lease: wire.Lease, event: str) -> wire.DecisionRecord:
    step = next(step for step in explain(world, lease).steps if step.event == event and step.decision is not None)
    return show(world, step.decision)


def test_a_start_that_took_spare_nodes_leads_to_that_decision(world: World) -> None:
    lease = world.ask(8, start="2027-01-15T08:01:40Z")
    [planned] = lease.placement
    silent(world, planned.node, now=T0 + 50)
    world.turn(T0 + 100)
    decided = move_of(world, lease, "moved")
    assert (decided.kind, decided.code) == ("start", "spare")
    assert decided.detail == (
        "A start was due, and takes spare nodes, because the agent of a node that it was placed on is silent."
    )
    [one] = decided.order
    assert one.after is not None
    assert one.after.placement == world.lease(lease).placement != lease.placement
    replay(world, decided.id)
    replay(world, decided.id, ACME)


def test_a_start_that_slipped_leads_to_that_decision(world: World) -> None:
    lease = world.ask(8, start="2027-01-15T08:01:40Z")
    [planned] = lease.placement
    other = world.ask(8, duration_s=300, who="globex", start="2027-01-15T08:00:50Z")
    assert other.placement != lease.placement
    silent(world, planned.node, now=T0 + 90)
    world.turn(T0 + 50)
    for second in (100, 149, 150):
        world.turn(T0 + second)
    decided = move_of(world, lease, "slipped")
    assert (decided.kind, decided.code) == ("start", "slipped")
    [one] = decided.order
    assert (one.before, one.after) != (None, None)
    replay(world, decided.id)


def test_a_start_for_which_there_is_nothing_leads_to_that_decision(world: World) -> None:
    lease = world.ask(8, start="2027-01-15T08:01:40Z")
    silent(world, "n1", "n2", now=T0 + 50)
    for second in (100, 150):
        world.turn(T0 + second)
    decided = move_of(world, lease, "queued")
    assert [(one.got, one.after) for one in decided.order] == [("queued", None)]
    assert decided.detail.endswith("it waits in the queue.")
    replay(world, decided.id)


def test_what_waits_in_the_queue_says_what_it_waits_for_now(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2", "n3"))
    held = world.ask(16, duration_s=1000)
    lease = world.ask(8, start_by=to_wire(T0 + 500))
    assert lease.decision.code == "waits_for_quota"
    world.ask(8, who="globex", duration_s=1000)
    world.set_quota("acme", 24, now=T0 + 1)
    world.turn(T0 + 2)
    found = world.lease(lease)
    assert (found.state, found.decision.code, found.decision.outcome) == ("queued", "waits_for_capacity", "queued")
    assert found.decision.id != lease.decision.id
    world.set_quota("acme", 4, now=T0 + 3)
    world.turn(T0 + 4)
    assert (world.lease(lease).decision.code, world.lease(lease).state) == ("quota_exceeded", "queued")
    again = world.lease(lease).decision.id
    world.turn(T0 + 5)
    assert world.lease(lease).decision.id == again
    world.set_quota("acme", 16, now=T0 + 6)
    world.release(held, now=T0 + 7)
    world.turn(T0 + 8)
    assert world.lease(lease).state == "scheduled"
    for decision in kept(world):
        replay(world, decision.id)
