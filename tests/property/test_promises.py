"""No promise ever gets later for anybody else's sake, whatever the rule and whatever happens. What is checked after every
step is in `pool`."""

from dataclasses import replace

from hypothesis import event, given, settings

from scheduler.core.book import Draft
from scheduler.core.contention import NONE
from scheduler.core.decide import verdict
from scheduler.core.model import Cause, Policy, Promise, State
from scheduler.core.replan import replan
from scheduler.core.reserve import RESERVE
from scheduler.core.walk_in import AHEAD
from tests.builders import looks
from tests.effort import examples
from tests.property.lives import Asks, Step, asks, bad_days, good_days, policies
from tests.property.pool import Pool


def lived(policy: Policy, history: list[Step], *, limited: bool = False) -> Pool:
    pool = Pool(policy=policy, limited=limited)
    for step in history:
        pool.live(step)
        pool.check_walk_in()
        if limited:
            pool.check_limits()
    return pool


@settings(max_examples=examples(400), deadline=None)
@given(policies, good_days)
def test_while_nothing_is_lost_every_promise_is_kept_to_the_second(policy: Policy, history: list[Step]):
    pool = Pool(policy=policy)
    for step in history:
        pool.live(step)
        pool.check_reserve()
        pool.check_walk_in()
    assert not pool.slipped
    assert not pool.short(pool.leases.values())
    for lease in pool.leases.values():
        assert lease.started_at is None or lease.started_at == lease.starts_at
        assert lease.state is not State.SCHEDULED or (lease.starts_at or 0) > pool.now


@settings(max_examples=examples(400), deadline=None)
@given(policies, bad_days)
def test_what_slips_was_short_of_capacity_and_says_so(policy: Policy, history: list[Step]):
    event("something slipped" if lived(policy, history).slipped else "nothing slipped")


@settings(max_examples=examples(200), deadline=None)
@given(policies, good_days | bad_days)
def test_a_company_s_limits_hold_over_time_and_break_no_promise(policy: Policy, history: list[Step]):
    pool = lived(policy, history, limited=True)
    kept, fresh = pool.book.since(pool.now), pool.fresh_book()
    assert (kept.standings, kept.quotas) == (fresh.standings, fresh.quotas)
    assert kept.digest(pool.now) == fresh.digest(pool.now)


@settings(max_examples=examples(200), deadline=None)
@given(policies, bad_days)
def test_a_book_that_is_kept_up_is_the_one_that_is_made_anew(policy: Policy, history: list[Step]):
    pool = lived(policy, history)
    kept, fresh = pool.book.since(pool.now), pool.fresh_book()
    assert looks(kept) == looks(fresh)
    assert (kept.limits.steps(RESERVE), kept.reserved) == (fresh.limits.steps(RESERVE), fresh.reserved)
    assert kept.limits.steps(AHEAD) == fresh.limits.steps(AHEAD)


@settings(max_examples=examples(400), deadline=None)
@given(policies, bad_days, asks)
def test_nobody_who_starts_within_the_hour_is_kept_from_anything_by_the_walk_in_reserve(
    policy: Policy, history: list[Step], step: Asks
):
    pool = lived(policy, history)
    free = pool.book.changed([replace(policy, walk_in_ppm=0)])
    for ask in step.at(pool.now):
        last = ask.start if ask.start_by is None else ask.start_by
        with_it, without = (verdict(Draft(book), ask, pool.now, at_once=True) for book in (pool.book, free))
        near = pool.now + policy.walk_in_within_s
        if last is not None and last <= near:
            assert with_it.code == without.code
            assert with_it == without or not isinstance(with_it, Promise)
        elif isinstance(without, Promise) and without.estimate <= near and policy.contended == NONE:
            assert isinstance(with_it, Promise)
            assert with_it.estimate == without.estimate
            assert with_it.promised <= without.promised


@settings(max_examples=examples(200), deadline=None)
@given(policies, bad_days)
def test_planning_again_only_moves_earlier_and_soon_nothing_at_all(policy: Policy, history: list[Step]):
    pool = lived(policy, history)
    book, plans = pool.book, 0
    while (plan := replan(book, (), pool.now)).moves:
        assert all(move.cause is Cause.EARLIER for move in plan.moves)
        book, plans = plan.book, plans + 1
        assert plans <= len(pool.leases) * 2
    event(f"{plans} more plans")
