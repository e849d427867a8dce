"""What is refused to a lease is decided, kept and made again like what is granted, and is its company's alone to see."""

from typing import Any

import pytest
from sqlmodel import Session, col, select

from dure import wire
from dure.errors import DureError, ExtensionRefused, OfferGone, ResizeRefused, TooLateToExtend, UnknownDecision
from scheduler import amend
from scheduler.actor import Actor
from scheduler.core import record
from scheduler.core.words import time as rfc
from scheduler.store import shown_leases
from scheduler.store.db import Database
from scheduler.store.tables import Audit, Decision
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, GAP_S, T0, World, company
from tests.integration.scheduler.test_decisions import explain, kept, replay, show
from tests.integration.scheduler.test_maintenance import drain
from tests.integration.scheduler.test_offers import claim, search
from tests.integration.scheduler.test_renewals import OPENS_S, serving
from tests.integration.scheduler.test_whatif import stretch

HOUR = 3600
ACME, GLOBEX = company("acme"), company("globex")


def refusals(world: World) -> list[Decision]:
    """Those of changes that keep what they were made from, oldest first."""
    return [head for head in kept(world) if head.kind in (record.EXTEND, record.RESIZE) and head.outcome == "refused"]


def blocked(database: Database) -> tuple[World, wire.Lease, wire.Lease]:
    """A pool of one node that acme's lease has now, and globex's from ten minutes after it."""
    world = World(database).found(nodes_=("n1",))
    mine = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    return world, mine, world.ask(8, who="globex", start=to_wire(T0 + HOUR + 700), duration_s=HOUR)


def extend_as(world: World, lease: wire.Lease, actor: Actor, *, now: float, **body: Any) -> wire.Amended | DureError:
    with world.db.begin() as session:
        return amend.extended(world.service, session, lease.id, wire.Extend.model_validate(body), actor=actor, now=now)


def test_a_refused_extension_is_a_decision_that_its_answer_names_and_that_is_made_again(database: Database) -> None:
    world, mine, _ = blocked(database)
    before = world.lease(mine), world.events(mine), world.balance()
    with pytest.raises(ExtensionRefused) as refused:
        world.extend(mine, now=T0 + 10, by_s=HOUR)
    decision = refused.value.decision
    assert decision is not None
    assert (decision.outcome, decision.code, decision.detail) == (
        "refused",
        "extension_refused",
        refused.value.detail,
    )
    assert decision.numbers == refused.value.numbers
    assert (world.lease(mine), world.events(mine), world.balance()) == before
    found = show(world, decision.id, ACME)
    assert (found.kind, found.lease, found.company, found.outcome) == ("extend", mine.id, "acme", "refused")
    assert found.numbers["in_the_way"] == "promise"
    [one] = found.order
    assert (one.lease, one.was, one.got, one.code, one.cause) == (
        *(mine.id, "active", "active"),
        *("extension_refused", "promise"),
    )
    assert one.before == one.after
    for actor in (ADMIN, ACME):
        assert replay(world, decision.id, actor).looked_at == 1


def test_a_refusal_keeps_what_was_asked_for_and_so_does_a_grant_of_less(database: Database) -> None:
    world, mine, _ = blocked(database)
    with pytest.raises(ExtensionRefused):
        world.extend(mine, now=T0 + 10, by_s=HOUR)
    world.extend(mine, now=T0 + 10, by_s=HOUR, partly=True)
    refused, granted = [record.loads(head.inputs or "") for head in kept(world) if head.kind == record.EXTEND]
    asked = {"lease": mine.id, "until": T0 + 2 * HOUR}
    assert asked.items() <= refused.items()
    assert (asked | {"partly": True}).items() <= granted.items()
    [_, head] = [head for head in kept(world) if head.kind == record.EXTEND]
    obstacle = record.loads(head.result or "")["obstacle"]
    assert (obstacle["in_the_way"], obstacle["at"]) == ("promise", T0 + HOUR + 700)
    assert replay(world, head.id).looked_at == 1


def test_an_extension_that_comes_too_late_is_a_decision_too(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    for at in (T0 + HOUR - 600, T0 + HOUR - 0.5):
        world.turn(at)
        with pytest.raises(TooLateToExtend) as late:
            world.extend(lease, now=at, by_s=60)
        assert late.value.decision is not None
        found = show(world, late.value.decision.id, ACME)
        assert (found.kind, found.code, found.numbers["closed_at"]) == (
            "extend",
            "too_late_to_extend",
            rfc(T0 + HOUR - 600),
        )
        replay(world, found.id, ACME)
    assert world.lease(lease).state == "ending"


@pytest.mark.parametrize(
    ("ask", "body", "numbers"),
    [
        pytest.param({"max": 9}, {"gpus": 10}, {"in_the_way": "max", "largest": 9}, id="above its max"),
        pytest.param({"min": 3}, {"gpus": 2}, {"in_the_way": "min", "smallest": 3}, id="below its min"),
        pytest.param({"purpose": "training"}, {"gpus": 6}, {"in_the_way": "purpose", "largest": 4}, id="training"),
        pytest.param({}, {"gpus": 16}, {"in_the_way": "capacity", "largest": 10}, id="more than is free"),
        pytest.param(
            {}, {"gpus": 13}, {"in_the_way": "quota", "limit_gpus": 8, "largest": 8}, id="more than the quota"
        ),
    ],
)
def test_a_refused_size_is_a_decision_that_is_made_again(
    world: World, ask: dict[str, Any], body: dict[str, Any], numbers: dict[str, object]
) -> None:
    asked: dict[str, Any] = {"purpose": "inference"} | ask
    lease = world.ask(4, duration_s=HOUR, **asked)
    world.ask(6, who="globex", start=to_wire(T0 + 1000), duration_s=HOUR)
    world.turn(T0)
    if "limit_gpus" in numbers:
        world.set_quota("acme", 8, now=T0 + 1)
    with pytest.raises(ResizeRefused) as refused:
        world.resize(lease, now=T0 + 10, **body)
    assert refused.value.decision is not None
    assert numbers.items() <= refused.value.decision.numbers.items()
    found = show(world, refused.value.decision.id, ACME)
    assert (found.kind, found.lease, found.outcome, found.code) == ("resize", lease.id, "refused", "resize_refused")
    replay(world, found.id, ACME)


def test_a_shrink_below_what_was_asked_at_least_is_a_decision_too(world: World) -> None:
    lease = world.ask(4, duration_s=HOUR, purpose="inference", min=3)
    world.turn(T0)
    with pytest.raises(ResizeRefused) as refused:
        world.shrink(lease, now=T0 + 10, gpus=2)
    assert refused.value.decision is not None
    replay(world, refused.value.decision.id, ACME)


def test_a_size_for_which_gpus_are_not_proved_empty_yet_is_made_again_without_them(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR, purpose="inference")
    world.ask(8, who="globex", duration_s=100)
    world.turn(T0)
    for _ in range(2):
        world.turn(T0 + 100)
    at = T0 + 100 + GAP_S
    with pytest.raises(ResizeRefused) as refused:
        world.resize(lease, now=at, gpus=10)
    assert "possible_from" not in refused.value.numbers, "the calendar has nothing against it"
    world.clean(at + 1)
    assert refused.value.decision is not None
    replay(world, refused.value.decision.id)


def test_a_size_into_a_drain_is_told_which_node_goes(world: World) -> None:
    lease = world.ask(4, duration_s=HOUR, purpose="inference")
    world.turn(T0)
    drain(world, "n1", start=T0 + 1800, now=T0 + 5)
    with pytest.raises(ResizeRefused) as refused:
        world.resize(lease, now=T0 + 10, gpus=16)
    assert (refused.value.numbers["in_the_way_from"], refused.value.numbers["nodes_drained_then"]) == (
        rfc(T0 + 1800),
        "n1",
    )
    assert refused.value.decision is not None
    replay(world, refused.value.decision.id)


def test_a_refused_renewal_is_kept_with_its_event_and_again_once_something_else_is_in_the_way(
    database: Database,
) -> None:
    world = World(database).found(nodes_=("n1",))
    lease = serving(world)
    other = world.ask(8, who="globex", start=to_wire(T0 + HOUR + GAP_S), duration_s=HOUR)
    for before_s in (OPENS_S, 1400, 1300, 1250):
        world.turn(T0 + HOUR - before_s)
    world.cancel(other, now=T0 + HOUR - 1200)
    drain(world, start=T0 + HOUR + GAP_S, now=T0 + HOUR - 1200)
    for before_s in (1100, 1000, 900, 650, 500):
        world.turn(T0 + HOUR - before_s)
    steps = [step for step in explain(world, lease, ACME).steps if step.event == "renewal_refused"]
    assert [step.cause for step in steps] == ["promise", "drain"]
    assert [step.decision for step in steps] == [head.id for head in refusals(world)]
    for step in steps:
        found = show(world, step.decision, ACME)
        assert (found.kind, found.lease, found.detail) == ("extend", lease.id, step.detail)
        assert f"cannot be renewed past {rfc(T0 + HOUR)}" in found.detail
        replay(world, step.decision, ACME)


def test_a_renewal_that_nobody_was_there_for_is_a_decision_too(world: World) -> None:
    lease = serving(world)
    for before_s in (300, 200):
        world.turn(T0 + HOUR - before_s)
    [head] = refusals(world)
    [step] = [step for step in explain(world, lease).steps if step.event == "renewal_refused"]
    assert (step.decision, step.cause, head.code) == (head.id, "too_late", "too_late_to_extend")
    assert "as nobody was there to" in step.detail
    replay(world, head.id)


def test_a_claim_that_lost_its_window_is_an_ask_that_was_refused(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    first = search(world)[0]
    world.ask(8, who="globex", start=first.starts_at, duration_s=HOUR)
    lost = claim(world, first)
    assert isinstance(lost, OfferGone)
    assert lost.decision is not None
    found = show(world, lost.decision.id, ACME)
    assert (found.kind, found.lease, found.outcome, found.code) == (
        *("ask", lost.lease),
        *("refused", "no_start_in_window"),
    )
    assert found.numbers["offer"] == first.id
    assert rfc(int(first.starts_at.timestamp())) in found.detail
    with world.db.snapshot() as session:
        row = session.exec(select(Decision).where(col(Decision.id) == found.id)).one()
    [ask] = record.loads(row.inputs or "")["asks"]
    assert (ask["id"], ask["start"], ask["duration_s"]) == (lost.lease, int(first.starts_at.timestamp()), HOUR)
    replay(world, found.id, ACME)
    with world.db.snapshot() as session:
        mine = shown_leases.get(session, lost.lease or "", actor=ACME)
    assert [(step.event, step.decision) for step in explain(world, mine).steps] == [("refused", found.id)]
    assert isinstance(claim(world, lost.offers[0]), wire.Lease)


def test_a_claim_that_was_granted_says_which_offer_it_was(world: World) -> None:
    first = search(world)[0]
    lease = claim(world, first)
    assert isinstance(lease, wire.Lease)
    assert lease.decision.numbers["offer"] == first.id
    assert show(world, lease.decision.id).numbers["offer"] == first.id


def test_refusals_are_among_the_steps_of_a_lease_where_they_happened(database: Database) -> None:
    world, mine, _ = blocked(database)
    with pytest.raises(ExtensionRefused) as refused:
        world.extend(mine, now=T0 + 10, by_s=HOUR)
    world.extend(mine, now=T0 + 20, by_s=60)
    with pytest.raises(ResizeRefused):
        world.resize(mine, now=T0 + 30, gpus=16)
    steps = explain(world, mine, ACME).steps
    assert [step.event for step in steps] == [
        "scheduled",
        "active",
        "extension_refused",
        "extended",
        "resize_refused",
    ]
    [step] = [step for step in steps if step.event == "extension_refused"]
    assert refused.value.decision is not None
    assert (step.at, step.state, step.detail, step.decision) == (
        to_wire(T0 + 10),
        "active",
        refused.value.detail,
        refused.value.decision.id,
    )


def test_what_was_refused_and_granted_in_one_second_stays_in_its_order(database: Database) -> None:
    world, mine, _ = blocked(database)
    for at in (10.1, 10.5):
        with pytest.raises(ExtensionRefused):
            world.extend(mine, now=T0 + at, by_s=HOUR)
        world.extend(mine, now=T0 + at + 0.2, by_s=60)
    steps = explain(world, mine, ACME).steps
    assert [step.event for step in steps[2:]] == ["extension_refused", "extended"] * 2


def test_what_was_refused_stands_before_the_end_that_came_in_the_same_second(database: Database) -> None:
    world, mine, _ = blocked(database)
    with pytest.raises(ExtensionRefused):
        world.extend(mine, now=T0 + 10.1, by_s=HOUR)
    world.release(mine, now=T0 + 10.5)
    assert [step.event for step in explain(world, mine, ACME).steps[1:]] == ["active", "extension_refused", "ending"]


def test_another_companys_refusal_is_none_and_its_leases_are_not_named(database: Database) -> None:
    world, mine, theirs = blocked(database)
    as_company = extend_as(world, mine, ACME, now=T0 + 10, by_s=HOUR)
    as_admin = extend_as(world, mine, ADMIN, now=T0 + 11, by_s=HOUR)
    assert isinstance(as_company, ExtensionRefused)
    assert isinstance(as_admin, ExtensionRefused)
    assert "leases_in_the_way" not in as_company.numbers
    assert as_admin.numbers["leases_in_the_way"] == theirs.id
    for found in (as_company, as_admin):
        assert found.decision is not None
        shown = show(world, found.decision.id, ACME)
        assert shown.numbers["promises_in_the_way"] == 1
        assert theirs.id not in shown.model_dump_json() + found.decision.model_dump_json()
        for look in (show, replay):
            with pytest.raises(UnknownDecision):
                look(world, found.decision.id, GLOBEX)


def test_a_companys_own_lease_in_the_way_is_named_in_the_decision(database: Database) -> None:
    world = World(database).found(nodes_=("n1",))
    mine = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    own = world.ask(8, start=to_wire(T0 + HOUR + 700), duration_s=HOUR)
    with pytest.raises(ExtensionRefused) as refused:
        world.extend(mine, now=T0 + 10, by_s=HOUR)
    assert refused.value.decision is not None
    assert show(world, refused.value.decision.id, ACME).numbers["leases_in_the_way"] == own.id


def test_a_preview_of_what_is_refused_keeps_nothing(database: Database) -> None:
    world, mine, _ = blocked(database)
    with world.db.snapshot() as session, pytest.raises(ExtensionRefused) as refused:
        amend.preview_extended(world.service, session, mine.id, wire.Extend(by_s=HOUR), actor=ACME, now=T0 + 10)
    assert refused.value.decision is None
    assert refusals(world) == []


def test_who_was_refused_what_is_in_the_audit_log(database: Database) -> None:
    world, mine, _ = blocked(database)
    refused = extend_as(world, mine, ACME, now=T0 + 10, by_s=HOUR)
    assert isinstance(refused, ExtensionRefused)
    assert refused.decision is not None
    with world.db.snapshot() as session:
        [line] = audited(session, "lease.extend")
    assert (line.actor, line.subject) == (str(ACME), mine.id)
    assert line.after == {"refused": "extension_refused", "decision": refused.decision.id}


def audited(session: Session, action: str) -> list[Audit]:
    return list(session.exec(select(Audit).where(col(Audit.action) == action)))


def test_a_past_with_refusals_in_it_is_lived_again_as_it_was(database: Database) -> None:
    world, mine, _ = blocked(database)
    for at in (10, 20):
        with pytest.raises(ExtensionRefused):
            world.extend(mine, now=T0 + at, by_s=HOUR)
        world.ask(1, now=T0 + at + 1, start=to_wire(T0 + 5 * HOUR + at))
    assert len(refusals(world)) == 2
    found = stretch(world, T0 + 60, add_nodes=[{"count": 1, "gpus": 8}])
    assert (found.complete, found.unlike) == (True, [])
    assert found.decisions == 4
