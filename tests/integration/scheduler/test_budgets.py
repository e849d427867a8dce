"""Quotas over time on a real database: budgets of periods in the ledger, what changes in their middle, and what they limit."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dure import wire
from dure.errors import InvalidRequest, Overdrawn
from scheduler import maintenance
from scheduler.core.model import Instant
from scheduler.store import accounts, defaults, history, joining, quotas, sums
from scheduler.store.books import loaded
from scheduler.store.tables import Pool
from tests.effort import examples
from tests.integration.scheduler.conftest import ADMIN, T0, World, world_on
from tests.servers import Server

DAY_S = 86_400
MONDAY = T0 - T0 % DAY_S + 3 * DAY_S
"""Of the week after T0, which is a Friday in January 2027."""


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def week(gpu_seconds: int, **more: Any) -> dict[str, Any]:
    return {"gpu_seconds": gpu_seconds, "period": "week", **more}


def term(gpu_seconds: int, begins_at: float, ends_at: float) -> dict[str, Any]:
    return {"gpu_seconds": gpu_seconds, "period": "term", "begins_at": iso(begins_at), "ends_at": iso(ends_at)}


def standing(found: wire.Quota, place: int = 0) -> tuple[int, int, int, int]:
    """What there is, what was had, what is booked, and what is left."""
    one = found.periods[place]
    return one.gpu_seconds, one.spent_gpu_seconds, one.booked_gpu_seconds, one.left_gpu_seconds


def verified(world: World) -> wire.LedgerCheck:
    with world.db.snapshot() as session:
        found = sums.verify(session, company=None, pool=None, actor=ADMIN)
    assert found.faults == []
    return found


def asked_for(world: World, *args: Any, **more: Any) -> tuple[str, str]:
    found = world.ask(*args, **more)
    return found.state.value, found.decision.code


def test_a_budget_is_granted_committed_settled_and_refunded_in_its_period(world: World) -> None:
    world.set_quota("acme", 16, now=T0, budget=week(1000))
    lease = world.ask(8)
    assert standing(world.quota()) == (1000, 0, 800, 200)
    world.turn(T0)
    world.release(lease, now=T0 + 40)
    world.turn(T0 + 41)
    assert standing(world.quota()) == (1000, 320, 0, 680)
    assert verified(world).sums.spent_gpu_seconds == 320


def test_what_no_period_can_give_is_refused_and_what_this_one_cannot_waits_for_the_next(world: World) -> None:
    world.set_quota("acme", 16, now=T0, budget=week(1000))
    assert asked_for(world, 8, duration_s=251) == ("refused", "budget_exceeded")
    world.ask(8)
    found = world.ask(8)
    assert found.promised_start is not None
    assert found.promised_start.timestamp() >= MONDAY - 100
    assert standing(world.quota(), 0)[3] == 0 or standing(world.quota(), 0)[3] >= 0
    verified(world)


def test_a_lease_over_the_end_of_a_week_takes_of_both_its_parts(world: World) -> None:
    world.set_quota("acme", 16, now=T0, budget=week(1000))
    world.ask(8, start=iso(MONDAY - 30), duration_s=100)
    found = world.quota()
    assert [standing(found, place)[2] for place in (0, 1)] == [240, 560]
    assert verified(world).sums.committed_gpu_seconds == 800


def test_what_a_week_leaves_expires_when_it_is_over(world: World) -> None:
    world.set_quota("acme", 16, now=T0, budget=week(1000))
    world.turn(MONDAY - 1)
    assert verified(world).sums.expired_gpu_seconds == 0
    world.turn(MONDAY)
    assert verified(world).sums.expired_gpu_seconds == 1000
    found = world.quota(now=MONDAY)
    assert found.periods[0].begins_at.timestamp() == MONDAY
    assert standing(found) == (1000, 0, 0, 1000)
    assert found.periods[-1].ends_at.timestamp() >= MONDAY + wire.HORIZON_S


def test_or_is_carried_over_to_the_next(world: World) -> None:
    world.set_quota("acme", 16, now=T0, budget=week(1000, carries_over=True))
    world.ask(4)
    world.turn(T0)
    world.turn(T0 + 101)
    world.turn(MONDAY)
    assert standing(world.quota(now=MONDAY)) == (1600, 0, 0, 1600)
    assert asked_for(world, 8, duration_s=200, now=MONDAY) == ("scheduled", "starts_now")
    verified(world)


def test_a_refund_after_its_week_expires_too(world: World) -> None:
    world.set_quota("acme", 16, now=T0, budget=week(1000))
    world.ask(8, start=iso(MONDAY - 50), duration_s=100)
    world.turn(MONDAY)
    world.turn(MONDAY + 10)
    world.turn(MONDAY + 50)
    world.turn(MONDAY + 51)
    found = verified(world).sums
    assert (found.committed_gpu_seconds, found.spent_gpu_seconds) == (0, 8 * 50)
    assert found.expired_gpu_seconds == 1000
    assert standing(world.quota(now=MONDAY + 51))[1] == 400


def test_another_amount_counts_in_the_period_that_it_is_now(world: World) -> None:
    world.set_quota("acme", 16, now=T0, budget=week(1000))
    world.ask(8)
    assert standing(world.set_quota("acme", 16, now=T0 + 1, budget=week(1500))) == (1500, 0, 800, 700)
    lowered = world.set_quota("acme", 16, now=T0 + 2, budget=week(500))
    assert standing(lowered) == (500, 0, 800, -300)
    [beyond] = lowered.beyond
    assert beyond.limit == "budget"
    assert verified(world).sums.available_gpu_seconds == sum(one.left_gpu_seconds for one in lowered.periods[1:])


def test_other_periods_begin_at_once_with_their_part_and_what_was_left_expires(world: World) -> None:
    world.set_quota("acme", 16, now=T0, budget=week(1000))
    world.ask(8, duration_s=100)
    world.turn(T0)
    monthly = wire.Budget(gpu_seconds=31_000, period="month")
    found = world.set_quota("acme", 16, now=T0 + 50, budget=monthly.model_dump())
    first = found.periods[0]
    assert first.begins_at.timestamp() == T0 + 50
    assert first.gpu_seconds == 31_000 * (int(first.ends_at.timestamp()) - T0 - 50) // (31 * DAY_S)
    assert first.booked_gpu_seconds == 400, "what is left of the lease"
    sums_ = verified(world).sums
    assert (sums_.committed_gpu_seconds, sums_.expired_gpu_seconds) == (800, 600)
    world.turn(T0 + 100)
    world.turn(T0 + 101)
    assert standing(world.quota(now=T0 + 101))[1] == 400
    verified(world)


def test_a_budget_that_is_taken_away_limits_nothing_and_one_that_comes_back_has_the_rest_of_its_week(
    world: World,
) -> None:
    world.set_quota("acme", 16, now=T0, budget=week(1000))
    lease = world.ask(8)
    found = world.set_quota("acme", 16, now=T0 + 10)
    assert found.periods == []
    assert asked_for(world, 8, duration_s=1000, now=T0 + 10) == ("scheduled", "starts_now")
    back = world.set_quota("acme", 16, now=T0 + 20, budget=week(7 * DAY_S))
    assert back.periods[0].begins_at.timestamp() == T0 + 10
    assert back.periods[0].gpu_seconds == MONDAY - T0 - 10
    world.cancel(lease, now=T0 + 21)
    verified(world)


def test_a_term_ends_in_the_middle_of_a_lease_so_it_is_refused_with_what_could_be_had(world: World) -> None:
    world.set_quota("acme", 16, now=T0, budget=term(10_000, T0 - 5, T0 + 150))
    assert asked_for(world, 4) == ("scheduled", "starts_now")
    found = world.ask(4, duration_s=200)
    assert (found.state, found.decision.code) == ("refused", "budget_exceeded")
    assert found.decision.numbers["longest_s"] == 150
    world.turn(T0 + 150)
    assert asked_for(world, 1, duration_s=1, now=T0 + 151) == ("refused", "budget_exceeded")
    verified(world)


def test_a_term_that_is_over_is_refused_and_one_to_come_lets_nothing_begin_before_it(world: World) -> None:
    with pytest.raises(InvalidRequest, match="over already"):
        world.set_quota("acme", 16, now=T0, budget=term(1, T0 - 50, T0))
    world.set_quota("acme", 16, now=T0, budget=term(10_000, T0 + 500, T0 + 5000))
    found = world.ask(8)
    assert found.promised_start is not None
    assert found.promised_start.timestamp() == T0 + 500


def test_an_adjustment_gives_to_the_present_period_and_decisions_know_it(world: World) -> None:
    world.set_quota("acme", 16, now=T0, budget=week(100))
    assert asked_for(world, 8, duration_s=20, start=iso(T0 + 5)) == ("queued", "waits_for_budget")
    body = wire.LedgerAdjust(company="acme", pool="h100", gpu_seconds=60)
    with world.db.begin() as session:
        accounts.adjust(session, body, reason="an hour was lost", actor=ADMIN, now=T0)
    assert standing(world.quota()) == (160, 0, 0, 160)
    assert asked_for(world, 8, duration_s=20, start=iso(T0 + 5)) == ("scheduled", "starts_as_asked")
    verified(world)


def test_a_drain_that_pushes_a_promise_into_another_week_keeps_it_though_its_budget_is_used(world: World) -> None:
    world.set_quota("acme", 16, now=T0, budget=week(800))
    world.ask(8, start=iso(MONDAY), duration_s=100)
    pushed = world.ask(8, start=iso(MONDAY - 100), duration_s=100)
    assert pushed.decision.code == "starts_as_asked"
    with world.db.begin() as session:
        for node in ("n1", "n2"):
            body = wire.DrainNode.model_validate({"start": iso(MONDAY - 200), "duration_s": 200})
            maintenance.drain(world.service, session, node, body, actor=ADMIN, now=T0)
    assert world.lease(pushed).promised_start.timestamp() == MONDAY  # pyright: ignore[reportOptionalMemberAccess]
    found = world.quota()
    assert standing(found, 1) == (800, 0, 1600, -800)
    verified(world)


def test_open_asks_count_what_is_queued_and_what_came_with_it(world: World) -> None:
    world.set_quota("acme", 16, now=T0, open_asks=2)
    world.ask(16, duration_s=1000)
    world.turn(T0)
    assert asked_for(world, 16, start=iso(T0 + 10), queue=True)[0] == "queued"
    assert asked_for(world, 16)[0] == "scheduled"
    found = world.ask(1)
    assert (found.state, found.decision.code) == ("refused", "too_many_open")
    assert (found.decision.numbers["open_asks"], world.quota().open) == (2, 2)


def test_a_new_company_gets_the_defaults_of_pools_and_follows_them_until_it_has_its_own(world: World) -> None:
    with world.db.begin() as session:
        body = wire.QuotaSet.model_validate({"gpus": 4, "longest_s": 500, "budget": week(1000)})
        defaults.put(session, "h100", body, actor=ADMIN, now=T0)
        joining.add(session, wire.CompanyCreate(name="initech"), actor=ADMIN, now=T0)
    assert (world.quota("initech").gpus, world.quota("initech").of_default) == (4, True)
    assert (world.quota("acme").gpus, world.quota("acme").of_default) == (16, False)
    assert asked_for(world, 1, who="initech", duration_s=501) == ("refused", "too_long")
    with world.db.begin() as session:
        defaults.put(session, "h100", wire.QuotaSet(gpus=6), actor=ADMIN, now=T0 + 1)
    assert (world.quota("initech").gpus, world.quota("initech").budget) == (6, None)
    world.set_quota("initech", 3, now=T0 + 2)
    with world.db.begin() as session:
        defaults.put(session, "h100", wire.QuotaSet(gpus=8), actor=ADMIN, now=T0 + 3)
    assert world.quota("initech").gpus == 3
    with world.db.begin() as session:
        assert quotas.remove(session, "initech", "h100", actor=ADMIN, now=T0 + 4).gpus == 8
        defaults.remove(session, "h100", actor=ADMIN, now=T0 + 5)
    assert world.quota("initech").gpus == 0
    verified(world)


def test_an_adjustment_first_makes_good_what_was_granted_on_top_for_promises_that_are_kept(world: World) -> None:
    world.set_quota("acme", 16, now=T0, budget=term(1000, T0, T0 + DAY_S))
    world.ask(8)
    world.set_quota("acme", 16, now=T0, budget=term(500, T0, T0 + DAY_S))
    assert standing(world.quota()) == (500, 0, 800, -300)
    body = wire.LedgerAdjust(company="acme", pool="h100", gpu_seconds=400)
    with world.db.begin() as session:
        given = accounts.adjust(session, body, reason="a lost hour", actor=ADMIN, now=T0)
    assert (given.kind, given.gpu_seconds) == ("adjust", 400)
    assert standing(world.quota()) == (900, 0, 800, 100)
    assert verified(world).sums.available_gpu_seconds == 100


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(1, 8), st.integers(1, 4)),
        st.tuples(st.just("stop"), st.integers(0, 9), st.none()),
        st.tuples(st.just("pass"), st.sampled_from([1, 7, 60, DAY_S, 7 * DAY_S]), st.none()),
        st.tuples(st.just("week"), st.integers(0, 3000), st.booleans()),
        st.tuples(st.just("month"), st.integers(0, 90_000_000), st.booleans()),
        st.tuples(st.just("term"), st.integers(0, 3000), st.integers(1, 20)),
        st.tuples(st.just("none"), st.none(), st.none()),
        st.tuples(st.just("adjust"), st.integers(-500, 500).filter(bool), st.none()),
    ),
    min_size=4,
    max_size=25,
)


@pytest.mark.timeout(500)
@settings(max_examples=examples(12), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS)
def test_over_any_history_of_budgets_the_ledger_adds_up_and_is_what_decisions_see(
    embedded: Server, steps: list[tuple[str, Any, Any]]
) -> None:
    with world_on(embedded) as world:
        now, asked = T0, list[wire.Lease]()
        for step in steps:
            now = _do(world, step, now, asked)
            _same_everywhere(world, now)


def _ask(world: World, gpus: int, duration_s: int, now: int) -> wire.Lease:
    """No promise is given beyond a budget; what was beyond it before stays so."""
    before = [period.left_gpu_seconds for period in world.quota(now=now).periods]
    found = world.ask(gpus, duration_s=duration_s, now=now)
    after = [period.left_gpu_seconds for period in world.quota(now=now).periods]
    assert all(left >= min(0, had) for had, left in zip(before, after, strict=True))
    return found


def _do(world: World, step: tuple[str, Any, Any], now: int, asked: list[wire.Lease]) -> int:
    what, one, other = step
    match what:
        case "ask":
            asked.append(_ask(world, one, other * 50, now))
        case "stop" if asked:
            lease = world.lease(asked[one % len(asked)])
            if lease.state == "active":
                world.release(lease, now=now)
            elif lease.state in ("queued", "scheduled"):
                world.cancel(lease, now=now)
        case "pass":
            now += one
            world.turn(now)
            world.turn(now)
            world.clean(now)
        case "week" | "month" | "term" | "none":
            term_ = term(one or 0, now - 5, now + (other or 1) * 100)
            some = {"gpu_seconds": one, "period": what, "carries_over": other}
            budget = {"none": None, "term": term_}.get(what, some)
            world.set_quota("acme", 16, now=now, budget=budget)
        case "adjust":
            body = wire.LedgerAdjust(company="acme", pool="h100", gpu_seconds=one)
            with suppress(Overdrawn), world.db.begin() as session:
                accounts.adjust(session, body, reason="why not", actor=ADMIN, now=now)
        case _:
            pass
    return now


def _same_everywhere(world: World, now: int) -> None:
    """In the ledger, in the book that is kept, in one that is read anew, and in one of the log."""
    sums_ = verified(world).sums
    assert min(sums_.model_dump().values()) >= 0
    with world.db.begin() as session:
        number, kept = world.service.books.locked(session, "h100", Instant(now))
        anew = loaded(session, session.get_one(Pool, "h100"), Instant(now))
        logged = history.book(session, "h100", number, kept.policy, Instant(now))
        assert kept.digest(now) == anew.digest(now) == logged.digest(now)
        found = quotas.get(session, "acme", "h100", now=now)
        rows = session.connection().exec_driver_sql(
            "SELECT extract(epoch FROM period)::bigint, target, granted, available, committed, spent FROM account"
            " WHERE company = 'acme' AND period IS NOT NULL AND NOT void"
        )
        balances = {begins: rest for begins, *rest in rows}
    for one in found.periods:
        target, granted, available, committed, spent = balances[int(one.begins_at.timestamp())]
        assert (one.gpu_seconds, one.spent_gpu_seconds) == (target, spent)
        if one.ends_at.timestamp() > now:
            assert one.booked_gpu_seconds == committed
            assert available == max(0, one.left_gpu_seconds)
            assert granted == target or (granted > target and available == 0)


@pytest.mark.parametrize("after", [None, week(5000)])
def test_a_budget_of_another_kind_comes_in_the_middle_of_leases_that_run_and_that_wait(
    world: World, after: dict[str, Any] | None
) -> None:
    world.set_quota("acme", 12, now=T0, budget={"gpu_seconds": 5000, "period": "month"})
    world.ask(4, duration_s=200)
    world.turn(T0 + 1)
    world.ask(2, now=T0 + 1, duration_s=50, start=iso(T0 + 300))
    world.ask(2, now=T0 + 1, duration_s=300, start=iso(T0 + 2))
    world.turn(T0 + 2)
    world.set_quota("acme", 12, now=T0 + 60, budget=after)
    verified(world)
    for at in (250, 400):
        world.turn(T0 + at)
        world.turn(T0 + at + 1)
    verified(world)
