"""Which promises are beyond a quota that was lowered."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.beyond import beyond
from scheduler.core.budget import Standing, left
from scheduler.core.model import CompanyId, Instant, Lease, State
from scheduler.core.quota import Period, Quota, held
from tests.builders import a_lease

NOW = Instant(0)


def a_quota(gpus: int = 8, *, periods: tuple[tuple[int, int, int], ...] = (), **more: int) -> Quota:
    """`periods` are from, to, and GPU-seconds."""
    found = tuple(
        Period(begins_at=Instant(begin), ends_at=Instant(end), gpu_seconds=has) for begin, end, has in periods
    )
    return Quota(company=CompanyId("acme"), gpus=gpus, periods=found, **more)


def promised(
    name: str,
    gpus: int = 4,
    *,
    start: int = 100,
    duration_s: int = 100,
    asked_at: int = 0,
    state: State = State.SCHEDULED,
) -> Lease:
    found = a_lease(name, state=state, starts_at=start, duration_s=duration_s, n1=gpus)
    return replace(found, asked_at=Instant(asked_at))


def named(quota: Quota, *leases: Lease) -> list[tuple[str, str]]:
    return [(one.lease.id, one.limit) for one in beyond(quota, leases, NOW)]


def test_what_was_asked_for_last_is_beyond_it_and_not_what_is_listed_last() -> None:
    late, early = promised("a", 8, asked_at=2), promised("b", 8, asked_at=1)
    assert named(a_quota(8), late, early) == named(a_quota(8), early, late) == [("a", "gpus")]


def test_a_lease_that_runs_is_never_beyond_it_but_counts() -> None:
    runs = promised("a", 8, start=0, state=State.ACTIVE, asked_at=9)
    assert named(a_quota(0), runs) == []
    beside, after = promised("b", start=50), promised("c", start=100)
    assert named(a_quota(8), runs, beside, after) == [("b", "gpus")]


def test_what_is_beyond_it_takes_nothing_from_those_that_are_kept() -> None:
    large, small = promised("a", 9, asked_at=1), promised("b", 8, asked_at=2)
    assert named(a_quota(8), large, small) == [("a", "gpus")]


@pytest.mark.parametrize(
    ("quota", "want"),
    [
        pytest.param(a_quota(8), [], id="within it"),
        pytest.param(a_quota(8, longest_s=99), [("a", "longest_s"), ("b", "longest_s")], id="too long"),
        pytest.param(a_quota(8, longest_s=100), [], id="just as long"),
        pytest.param(a_quota(8, furthest_s=99), [("a", "furthest_s"), ("b", "furthest_s")], id="too far ahead"),
        pytest.param(a_quota(8, furthest_s=100), [], id="just as far"),
        pytest.param(a_quota(8, ahead_gpu_seconds=799), [("b", "ahead_gpu_seconds")], id="too much ahead"),
        pytest.param(a_quota(8, ahead_gpu_seconds=800), [], id="just as much"),
        pytest.param(a_quota(8, open_asks=1), [("b", "open_asks")], id="too many"),
        pytest.param(a_quota(8, open_asks=2), [], id="just as many"),
        pytest.param(a_quota(8, periods=((0, 1000, 799),)), [("b", "budget")], id="too much of a period"),
        pytest.param(a_quota(8, periods=((0, 1000, 800),)), [], id="just as much of it"),
        pytest.param(a_quota(8, periods=((0, 150, 400), (150, 300, 399))), [("b", "budget")], id="of the second"),
        pytest.param(a_quota(8, periods=((0, 150, 800),)), [("a", "budget"), ("b", "budget")], id="after a term"),
        pytest.param(a_quota(7, longest_s=99), [("a", "longest_s"), ("b", "longest_s")], id="the first that counts"),
    ],
)
def test_each_limit_is_beyond_by_its_own_rule(quota: Quota, want: list[tuple[str, str]]) -> None:
    assert named(quota, promised("a", asked_at=1), promised("b", asked_at=2)) == want


def test_what_is_not_booked_is_not_looked_at() -> None:
    over = [promised(state.value, 8, state=state) for state in (State.CANCELLED, State.ENDED)]
    assert named(a_quota(8), *over, promised("z", 8, asked_at=5)) == []


LEASES = st.lists(
    st.builds(
        lambda gpus, start, duration_s, asked_at, state: promised(
            "lea", gpus, start=start, duration_s=duration_s, asked_at=asked_at, state=state
        ),
        st.integers(1, 8),
        st.integers(0, 300),
        st.integers(1, 200),
        st.integers(0, 5),
        st.sampled_from([State.SCHEDULED, State.SCHEDULED, State.ACTIVE]),
    ),
    max_size=7,
).map(lambda found: [replace(lease, id=f"lea_{place}") for place, lease in enumerate(found)])
QUOTAS = st.builds(
    a_quota,
    st.integers(0, 16),
    periods=st.sampled_from([(), ((0, 200, 900), (200, 600, 500)), ((100, 300, 700),)]),
    longest_s=st.none() | st.integers(1, 200),
    furthest_s=st.none() | st.integers(0, 300),
    ahead_gpu_seconds=st.none() | st.integers(0, 2000),
    open_asks=st.none() | st.integers(1, 4),
)


@given(QUOTAS, LEASES)
def test_without_those_that_are_beyond_it_nothing_is(quota: Quota, leases: list[Lease]) -> None:
    over = {one.lease.id for one in beyond(quota, leases, NOW)}
    kept = [lease for lease in leases if lease.id not in over]
    assert list(beyond(quota, kept, NOW)) == []
    assert all(lease.state is State.SCHEDULED for lease in leases if lease.id in over)


@given(QUOTAS, LEASES)
def test_those_that_are_kept_are_within_it_wherever_what_runs_leaves_room(quota: Quota, leases: list[Lease]) -> None:
    over = {one.lease.id for one in beyond(quota, leases, NOW)}
    kept = [lease for lease in leases if lease.id not in over]
    runs = [lease for lease in leases if lease.state is State.ACTIVE]
    assert held(kept).most(0, 1000) <= max(quota.gpus, held(runs).most(0, 1000))
    least = {period[:2]: min(0, period[2]) for period in left(quota, Standing.of(quota, runs))}
    assert all(period[2] >= least[period[:2]] for period in left(quota, Standing.of(quota, kept)))


@given(QUOTAS, LEASES, st.randoms())
def test_it_does_not_matter_in_which_order_they_are_looked_at(
    quota: Quota, leases: list[Lease], random: object
) -> None:
    shuffled = sorted(leases, key=lambda _: random.random())  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownLambdaType]
    assert list(beyond(quota, shuffled, NOW)) == list(beyond(quota, leases, NOW))
