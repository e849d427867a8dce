from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core import explain
from scheduler.core.book import Book
from scheduler.core.budget import FOR_EVER, Standing, grows, lasts, left, starts
from scheduler.core.decide import decide
from scheduler.core.extend import Extended, NotExtended, extend
from scheduler.core.growth import Bounds, NotGrown, resize
from scheduler.core.lease import advance
from scheduler.core.model import Ask, Cause, Code, CompanyId, Instant, Lease, LeaseId, Promise, Purpose, State, Total
from scheduler.core.quota import Period, Quota
from tests.builders import a_book, a_lease, a_node, a_policy, an_ask, at_its_time

NOW, ACME = Instant(1000), CompanyId("acme")
FOUR = Total(gpus=4)


def a_period(begins_at: int, ends_at: int, gpu_seconds: int, spent: int = 0) -> Period:
    return Period(begins_at=Instant(begins_at), ends_at=Instant(ends_at), gpu_seconds=gpu_seconds, spent=spent)


def a_pool(*leases: Lease, nodes: int = 2, gpus: int = 16, periods: tuple[Period, ...] = (), **limits: int) -> Book:
    quota = Quota(company=ACME, gpus=gpus, periods=periods, **limits)
    return a_book(*leases, nodes=nodes, gap_s=0).changed([quota])


def got(book: Book, ask: Ask) -> object:
    [verdict] = decide(book, [(LeaseId("lea_new"), ask)], NOW).verdicts
    return verdict.start if isinstance(verdict, Promise) else verdict.code


def numbers(book: Book, ask: Ask) -> dict[str, int | str]:
    [verdict] = decide(book, [(LeaseId("lea_new"), ask)], NOW).verdicts
    return dict(verdict.numbers)


MONTHS = (a_period(0, 2000, 800, spent=500), a_period(2000, 4000, 800), a_period(4000, 1 << 40, 0))


@pytest.mark.parametrize(
    ("left", "want"),
    [
        pytest.param([(100, 200, 400)], ((0, FOR_EVER),), id="enough for all of it"),
        pytest.param([(100, 200, 0)], ((0, 0), (200, FOR_EVER)), id="nothing is left"),
        pytest.param([(100, 200, -5)], ((0, 0), (200, FOR_EVER)), id="less than nothing is left"),
        pytest.param([(100, 200, 120)], ((0, 30), (170, FOR_EVER)), id="a part before or after"),
        pytest.param([(100, 200, 0), (200, 300, 0)], ((0, 0), (300, FOR_EVER)), id="two in a row"),
        pytest.param([], ((0, FOR_EVER),), id="no period"),
    ],
)
def test_a_box_starts_where_no_period_gives_more_than_it_has(
    left: list[tuple[int, int, int]], want: tuple[tuple[int, int], ...]
):
    assert starts(left, 4, 100) == want


@pytest.mark.parametrize(
    ("duration_s", "want"),
    [
        pytest.param(75, NOW, id="exactly what is left"),
        pytest.param(76, Instant(1925), id="one second of it in the next period"),
        pytest.param(200, Instant(1925), id="over the boundary, as much as is left before it"),
        pytest.param(275, Instant(1925), id="all that both have"),
        pytest.param(276, Code.WAITS_FOR_BUDGET, id="more than both have left"),
    ],
)
def test_an_ask_is_promised_the_earliest_start_that_its_budget_allows(duration_s: int, want: object):
    assert got(a_pool(periods=MONTHS), an_ask(FOUR, duration_s=duration_s)) == want


def test_what_is_booked_is_not_left_and_what_ended_is_only_what_was_spent():
    lease = at_its_time(a_lease(starts_at=1500, n1=3))
    book = a_pool(lease, periods=MONTHS)
    assert book.standings[ACME] == Standing(booked=(300, 0, 0), ahead_gpu_seconds=300, waiting=1)
    assert got(book, an_ask(Total(gpus=1), duration_s=1)) == 2000
    running = book.put_lease(advance(lease, State.ACTIVE, Cause.STARTED, Instant(1500)))
    assert running.standings[ACME] == Standing(booked=(300, 0, 0), ahead_gpu_seconds=0, waiting=0)
    assert running.put_lease(advance(lease, State.CANCELLED, Cause.CANCELLED, NOW)).standings[ACME].booked == (0, 0, 0)


def test_a_quota_that_changes_counts_what_is_booked_anew():
    book = a_pool(a_lease(starts_at=1950, n1=4), periods=MONTHS)
    weeks = replace(book.quotas[ACME], periods=(a_period(0, 1960, 800), a_period(1960, 4000, 800)))
    assert book.changed([weeks]).standings[ACME].booked == (40, 360)


def test_a_verdict_says_what_is_left_and_until_when():
    found = numbers(a_pool(periods=MONTHS), an_ask(FOUR, duration_s=76))
    assert (found["budget_left_gpu_seconds"], found["budget_ends"], found["waits_for"]) == (300, 2000, "budget")


def in_the_way(found: dict[str, int | str]) -> tuple[object, ...]:
    return tuple(found.get(name) for name in ("budget_left_gpu_seconds", "budget_begins", "budget_ends"))


TERM = (a_period(2000, 4000, 800),)


@pytest.mark.parametrize(
    ("periods", "ask", "want", "says"),
    [
        pytest.param(
            (a_period(0, 2000, 9000), a_period(2000, 4000, 800, spent=700), a_period(4000, 1 << 40, 9000)),
            an_ask(FOUR, start=2500),
            (100, 2000, 4000),
            "has less left (0.03 GPU-hours from 1970-01-01T00:33:20Z until 1970-01-01T01:06:40Z)",
            id="the next one",
        ),
        pytest.param(
            (a_period(0, 2000, 800, spent=700), a_period(2000, 4000, 9000)),
            an_ask(FOUR, start=1950),
            (100, None, 2000),
            "has less left (0.03 GPU-hours until 1970-01-01T00:33:20Z)",
            id="the first of two that it lies in",
        ),
        pytest.param(
            (a_period(0, 2000, 9000), a_period(2000, 4000, 800, spent=700), a_period(4000, 1 << 40, 9000)),
            an_ask(FOUR, start=1950),
            (100, 2000, 4000),
            "has less left (0.03 GPU-hours from",
            id="the second of them",
        ),
        pytest.param(
            TERM, an_ask(FOUR, start=1950), (0, None, 2000), "(0 GPU-hours until 1970-01-01T00:33:20Z)", id="before all"
        ),
        pytest.param(
            (a_period(0, 2000, 9000), a_period(2000, 4000, -50), a_period(4000, 1 << 40, 9000)),
            an_ask(FOUR, start=2500),
            (-50, 2000, 4000),
            "(0 GPU-hours from",
            id="one that was lowered below what is booked",
        ),
    ],
)
def test_who_waits_for_its_budget_is_told_of_the_period_that_is_in_the_way(
    periods: tuple[Period, ...], ask: Ask, want: tuple[object, ...], says: str
) -> None:
    [verdict] = decide(a_pool(periods=periods), [(LeaseId("lea_new"), ask)], NOW).verdicts
    assert verdict.code is Code.WAITS_FOR_BUDGET
    assert in_the_way(dict(verdict.numbers)) == want
    assert says in explain.sentence(verdict, ask)
    refused = numbers(a_pool(periods=periods), replace(ask, queue=False))
    assert (in_the_way(refused), refused["waits_for"]) == (want, "budget")


def test_after_the_last_period_there_is_nothing_from_then_on() -> None:
    taken = at_its_time(a_lease(company="bolt", starts_at=1000, duration_s=2905, n1=8, n2=8))
    ask = an_ask(FOUR, start=3850, start_by=3950)
    [verdict] = decide(a_pool(taken, periods=TERM), [(LeaseId("lea_new"), ask)], NOW).verdicts
    assert (verdict.code, in_the_way(dict(verdict.numbers))) == (Code.WAITS_FOR_BUDGET, (0, 4000, None))
    assert "has less left (0 GPU-hours from 1970-01-01T01:06:40Z on)" in explain.sentence(verdict, ask)


@pytest.mark.parametrize(
    ("gpus", "left", "ahead", "want"),
    [
        pytest.param(16, 9000, 16, None, id="nothing is in the way"),
        pytest.param(16, 100, 2, Code.WAITS_FOR_BUDGET, id="budget and walk-in reserve"),
        pytest.param(6, 100, 16, Code.WAITS_FOR_BUDGET, id="budget and quota"),
        pytest.param(6, 9000, 2, Code.WAITS_FOR_WALK_IN, id="walk-in reserve and quota"),
        pytest.param(6, 100, 2, Code.WAITS_FOR_BUDGET, id="all of them"),
        pytest.param(6, 9000, 16, Code.WAITS_FOR_QUOTA, id="quota alone"),
        pytest.param(16, 9000, 2, Code.WAITS_FOR_WALK_IN, id="walk-in reserve alone"),
    ],
)
def test_of_several_limits_one_that_would_have_to_change_is_named(
    gpus: int, left: int, ahead: int, want: Code | None
) -> None:
    """Its company has 4 GPUs then, `gpus` at most; of 16 GPUs `ahead` more may be booked."""
    mine = at_its_time(a_lease(starts_at=1900, duration_s=400, n1=4))
    policy = a_policy(gap_s=0, walk_in_ppm=(12 - ahead) * 62_500 if ahead < 12 else 0, walk_in_within_s=60)
    quota = Quota(company=ACME, gpus=gpus, periods=(a_period(0, 9000, 1600 + left),))
    book = Book.of(policy, [a_node("n1"), a_node("n2")], [mine], {}).changed([quota])
    [verdict] = decide(book, [(LeaseId("lea_new"), an_ask(FOUR, start=2000))], NOW).verdicts
    assert (None if isinstance(verdict, Promise) else verdict.code) == want


def test_limits_of_which_each_alone_leaves_a_start_and_both_together_none_name_the_first() -> None:
    """Its budget leaves it nothing before 2000, and its GPUs at once nothing from then on."""
    mine = at_its_time(a_lease(starts_at=2000, duration_s=4000, n1=6))
    book = a_pool(mine, gpus=8, periods=(a_period(0, 2000, 0), a_period(2000, 9000, 90_000)))
    assert got(book, an_ask(FOUR, start=1500, start_by=3000)) is Code.WAITS_FOR_BUDGET


LIMITS = frozenset({"budget", "walk_in", "quota"})


@given(
    mine=st.tuples(st.integers(1000, 2500), st.integers(1, 16)),
    gpus=st.integers(4, 16),
    left=st.integers(0, 3000),
    ahead=st.integers(0, 16),
    start=st.integers(1000, 2200),
    width=st.integers(0, 600),
)
def test_what_is_named_would_have_to_change(
    mine: tuple[int, int], gpus: int, left: int, ahead: int, start: int, width: int
) -> None:
    """Without it there is a start, or it alone leaves none; where neither is so of any, any may be named."""
    starts_at, taken = mine
    lease = at_its_time(a_lease(starts_at=starts_at, duration_s=400, n1=min(8, taken), n2=max(0, taken - 8)))
    ask = an_ask(FOUR, start=start, start_by=start + width)

    def code(under: frozenset[str]) -> Code | None:
        ppm = (16 - ahead) * 62_500 if "walk_in" in under else 0
        period = a_period(1500, 9000, lease.gpus * 400 + left)
        periods = (a_period(0, 1500, 100_000), period) if "budget" in under else ()
        quota = Quota(company=ACME, gpus=gpus if "quota" in under else 99, periods=periods)
        policy = a_policy(gap_s=0, walk_in_ppm=ppm, walk_in_within_s=60)
        book = Book.of(policy, [a_node("n1"), a_node("n2")], [lease], {}).changed([quota])
        [verdict] = decide(book, [(LeaseId("lea_new"), ask)], NOW).verdicts
        return None if isinstance(verdict, Promise) else verdict.code

    named = code(LIMITS)
    if named is None or not named.startswith("waits_for_"):
        return
    limit = named.removeprefix("waits_for_")
    if code(frozenset()) is not None:
        assert limit == "capacity"
        return
    has_to = {one for one in LIMITS if code(LIMITS - {one}) is None or code(frozenset({one})) is not None}
    assert limit in (has_to or LIMITS)


def test_a_promise_for_later_says_which_period_it_waits_for() -> None:
    taken = at_its_time(a_lease(company="bolt", starts_at=1000, duration_s=1100, n1=8, n2=8))
    weeks = (a_period(0, 2000, 9000), a_period(2000, 3000, 0), a_period(3000, 9000, 9000))
    found = numbers(a_pool(taken, periods=weeks), an_ask(FOUR))
    assert (found["waits_for"], in_the_way(found)) == ("budget", (0, 2000, 3000))


def test_without_waiting_for_it_the_present_period_is_told() -> None:
    assert in_the_way(numbers(a_pool(periods=MONTHS), an_ask(Total(gpus=1)))) == (300, None, 2000)


def test_who_cannot_be_served_from_its_budget_in_its_window_waits_for_it_or_is_refused():
    ask = an_ask(FOUR, duration_s=100, start_by=1500)
    assert got(a_pool(periods=MONTHS), ask) is Code.WAITS_FOR_BUDGET
    found = numbers(a_pool(periods=MONTHS), replace(ask, queue=False))
    assert (found["waits_for"], found["earliest_start"]) == ("budget", 1925)
    assert (found["largest_gpus_now"], found["longest_s_now"]) == (3, 75)


def test_more_than_any_period_has_is_refused_with_how_long_would_do():
    found = numbers(a_pool(periods=MONTHS), an_ask(FOUR, duration_s=500))
    assert (found["asked_gpu_seconds"], found["budget_gpu_seconds"], found["longest_s"]) == (2000, 800, 400)


def test_a_lease_goes_on_as_far_as_each_period_allows():
    lease = at_its_time(a_lease(state=State.ACTIVE, starts_at=900, duration_s=1000, n1=4))
    book = a_pool(lease, periods=(a_period(0, 2000, 4200), a_period(2000, 9000, 400)))
    found = extend(book, lease.id, 2300, NOW)
    assert isinstance(found, NotExtended)
    assert (found.obstacle.what, found.obstacle.at, found.longest_s) == ("budget", 1950, 50)
    richer = book.changed([replace(book.quotas[ACME], periods=(a_period(0, 2000, 9000), a_period(2000, 9000, 400)))])
    found = extend(richer, lease.id, 2300, NOW, partly=True)
    assert isinstance(found, Extended)
    assert (found.lease.ends_at, found.obstacle and found.obstacle.what) == (2100, "budget")


def test_a_lease_grows_by_what_its_budget_has_until_it_ends():
    lease = replace(a_lease(state=State.ACTIVE, starts_at=900, duration_s=200, n1=2), purpose=Purpose.INFERENCE)
    book = a_pool(lease, periods=(a_period(0, 2000, 700),))
    found = resize(book, lease.id, 8, NOW, {}, Bounds())
    assert isinstance(found, NotGrown)
    assert (found.obstacle, found.largest, found.way) == ("budget", 5, None)


def test_a_period_that_is_over_before_a_lease_ends_limits_nothing_of_it():
    lease = a_lease(starts_at=900, duration_s=200, n1=4)
    assert lasts([(0, 1000, 0)], lease) == FOR_EVER
    assert grows([(0, 1000, 0)], lease, 1000) == FOR_EVER


# --- the other limits --------------------------------------------------------------------------------------------


def test_longer_than_its_leases_may_be_is_refused_with_the_longest():
    book = a_pool(longest_s=50)
    assert got(book, an_ask(FOUR, duration_s=50)) == NOW
    assert got(book, an_ask(FOUR, duration_s=51)) is Code.TOO_LONG
    found = numbers(book, an_ask(FOUR, duration_s=51))
    assert (found["longest_s"], found["earliest_start"]) == (50, NOW)


def test_an_extension_counts_for_the_longest():
    lease = at_its_time(a_lease(state=State.ACTIVE, starts_at=900, duration_s=300, n1=4))
    found = extend(a_pool(lease, longest_s=350), lease.id, 1300, NOW)
    assert isinstance(found, NotExtended)
    assert (found.obstacle.what, found.longest_s) == ("longest", 50)


def test_a_start_further_ahead_than_it_may_book_is_refused():
    book = a_pool(furthest_s=500)
    assert got(book, an_ask(FOUR, start=1500)) == 1500
    assert got(book, an_ask(FOUR, start=1501)) is Code.TOO_FAR_AHEAD
    found = numbers(book, an_ask(FOUR, start=1501))
    assert (found["furthest_start"], found["earliest_start"]) == (1500, NOW)


def test_what_fits_only_further_ahead_waits_until_that_is_near_enough():
    taken = at_its_time(a_lease(company="bolt", starts_at=1000, duration_s=501, n1=8))
    assert got(a_pool(taken, nodes=1, furthest_s=500), an_ask(FOUR)) is Code.WAITS_FOR_CAPACITY
    assert got(a_pool(taken, nodes=1, furthest_s=501), an_ask(FOUR)) == 1501


def test_more_than_it_may_book_ahead_starts_at_once_or_waits():
    booked = at_its_time(a_lease(starts_at=1500, n1=4))
    book = a_pool(booked, nodes=1, ahead_gpu_seconds=700)
    assert got(book, an_ask(FOUR, duration_s=100)) == NOW
    taken = at_its_time(a_lease("x", company="bolt", starts_at=1000, n1=8))
    full = a_pool(booked, taken, nodes=1, ahead_gpu_seconds=700)
    assert got(full, an_ask(FOUR, duration_s=75)) == 1100
    assert got(full, an_ask(FOUR, duration_s=76)) is Code.WAITS_FOR_AHEAD
    found = numbers(full, an_ask(FOUR, duration_s=76, queue=False))
    assert (found["waits_for"], found["ahead_gpu_seconds"], found["limit_ahead_gpu_seconds"]) == ("ahead", 400, 700)


def test_as_many_are_open_as_may_be_queued_ones_too():
    book = a_pool(at_its_time(a_lease(starts_at=1500, n1=4)), open_asks=3)
    assert got(book, an_ask(FOUR)) == NOW
    assert got(book, replace(an_ask(FOUR), queued_already=2)) is Code.TOO_MANY_OPEN
    found = numbers(book, replace(an_ask(FOUR), queued_already=2))
    assert (found["open_asks"], found["limit_open_asks"]) == (3, 3)


def test_asks_that_come_together_count_for_each_other():
    late = an_ask(FOUR, duration_s=100, start_by=1500)
    book = a_pool(periods=MONTHS, open_asks=2)
    asks = [(LeaseId(f"lea_{k}"), late) for k in range(3)]
    codes = [verdict.code for verdict in decide(book, asks, NOW).verdicts]
    assert codes == [Code.WAITS_FOR_BUDGET, Code.WAITS_FOR_BUDGET, Code.TOO_MANY_OPEN]


def test_nothing_is_booked_before_between_or_after_the_periods_of_a_budget():
    quota = Quota(company=CompanyId("acme"), gpus=8, periods=(a_period(100, 200, 1000), a_period(300, 400, 1000)))
    found = starts(left(quota, Standing(booked=(0, 0))), 1, 50)
    assert found == ((100, 150), (300, 350))
    assert list(left(replace(quota, periods=()), Standing())) == []
