"""What a lease's box takes of its company's accounts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.charge import box, charge
from scheduler.core.commitments import changed, settled
from scheduler.core.ledger import Period
from scheduler.core.model import Instant, Lease, State
from tests.builders import a_lease


def a_period(begins_at: int, ends_at: int) -> Period:
    return Period(begins_at=Instant(begins_at), ends_at=Instant(ends_at))


WEEK, NEXT = a_period(0, 150), a_period(150, 300)


def test_without_a_budget_the_whole_box_is_committed_of_the_account_without_one() -> None:
    assert list(changed(None, a_lease(), ())) == [(None, 400)]


def test_over_the_end_of_a_period_each_has_its_part() -> None:
    assert list(changed(None, a_lease(), (WEEK, NEXT))) == [(WEEK, 200), (NEXT, 200)]


def test_what_lies_in_no_period_is_of_the_account_without_one() -> None:
    assert dict(changed(None, a_lease(), (WEEK,))) == {WEEK: 200, None: 200}


def test_a_lease_that_moves_is_refunded_where_it_was_before_it_is_committed_where_it_is() -> None:
    moved = a_lease(starts_at=200)
    assert list(changed(a_lease(), moved, (WEEK, NEXT))) == [(WEEK, -200), (NEXT, 200)]


def test_one_that_stays_changes_nothing() -> None:
    assert list(changed(a_lease(), a_lease(n2=4), (WEEK, NEXT))) == []


def test_one_that_is_cancelled_gives_back_all() -> None:
    assert dict(changed(a_lease(), a_lease(state=State.CANCELLED), (WEEK, NEXT))) == {WEEK: -200, NEXT: -200}


def test_other_periods_take_it_over() -> None:
    cut, after = a_period(0, 120), a_period(120, 300)
    found = changed(a_lease(), a_lease(), (WEEK, NEXT), (cut, after))
    assert dict(found) == {cut: -120, NEXT: -200, after: 320}


STATES = st.sampled_from([State.SCHEDULED, State.ACTIVE, State.ENDING, State.ENDED, State.CANCELLED])
LEASES = st.builds(
    lambda start, duration_s, gpus, state: a_lease(state=state, starts_at=start, duration_s=duration_s, n1=gpus),
    st.integers(0, 400),
    st.integers(1, 300),
    st.integers(1, 8),
    STATES,
)
PERIODS = st.lists(st.integers(0, 800), min_size=2, max_size=8, unique=True).map(
    lambda edges: tuple(a_period(*pair) for pair in zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False))
)


def committed(lease: Lease) -> int:
    return 0 if lease.state in (State.ENDED, State.CANCELLED) else box(lease)


@given(LEASES, PERIODS)
def test_the_parts_of_a_box_add_up_to_the_box(lease: Lease, periods: tuple[Period, ...]) -> None:
    assert sum(amount for _, amount in changed(None, lease, periods)) == committed(lease)
    assert all(amount > 0 for _, amount in changed(None, lease, periods))


@given(LEASES, LEASES, PERIODS, PERIODS)
def test_from_one_slot_and_periods_to_others_it_is_what_the_latter_take_less_what_the_former_did(
    before: Lease, after: Lease, was: tuple[Period, ...], have: tuple[Period, ...]
) -> None:
    found = list(changed(before, after, was, have))
    assert sum(amount for _, amount in found) == committed(after) - committed(before)
    refunds = [amount < 0 for _, amount in found]
    assert refunds == sorted(refunds, reverse=True)
    total: dict[int | None, int] = {}
    for period, amount in [*changed(None, before, was), *found]:
        key = None if period is None else period.begins_at
        total[key] = total.get(key, 0) + amount
    want = {None if period is None else period.begins_at: amount for period, amount in changed(None, after, have)}
    assert {key: amount for key, amount in total.items() if amount} == want


@given(LEASES, PERIODS, st.integers(0, 300), st.integers(0, 300))
def test_what_became_of_a_box_adds_up_over_the_accounts(
    lease: Lease, periods: tuple[Period, ...], late_s: int, early_s: int
) -> None:
    start, end = lease.starts_at or 0, lease.ends_at or 0
    started_at = min(end, start + late_s)
    stopped = replace(
        lease,
        state=State.ENDED,
        started_at=Instant(started_at),
        stops_at=Instant(max(started_at, end - early_s)),
    )
    whole, parts = charge(stopped), list(settled(stopped, periods))
    for name in ("delivered", "lost", "returned"):
        assert sum(getattr(part, name) for _, part in parts) == getattr(whole, name)
        assert all(getattr(part, name) >= 0 for _, part in parts)
    assert whole.delivered + whole.refunded == box(stopped)


@pytest.mark.parametrize("state", [State.ACTIVE, State.ENDING])
def test_a_lease_that_runs_holds_its_whole_box_until_it_is_settled(state: State) -> None:
    assert list(changed(a_lease(), a_lease(state=state), (WEEK, NEXT))) == []
