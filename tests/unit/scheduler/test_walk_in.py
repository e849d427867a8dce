"""What is kept for starts that are near: who is held to it, who never is, and what they are told."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from scheduler.core import codec, explain
from scheduler.core.book import Book
from scheduler.core.decide import decide
from scheduler.core.extend import Extended, NotExtended, extend
from scheduler.core.lease import advance
from scheduler.core.model import (
    Ask,
    Cause,
    Code,
    CompanyId,
    Gang,
    Instant,
    Lease,
    LeaseId,
    Node,
    NodeId,
    Policy,
    Promise,
    Purpose,
    Queued,
    Refusal,
    State,
    Total,
    Verdict,
)
from scheduler.core.offers import Wish, search
from scheduler.core.replan import replan
from scheduler.core.resize import NotResized, Resized, grow
from scheduler.core.walk_in import AHEAD, is_ahead, line
from tests.builders import a_lease, a_node, a_policy, an_ask, at_its_time

NOW = Instant(1000)
NEAR = NOW + 60
"""The last start that is not booked ahead."""
MINE = LeaseId("lea_mine")


def a_rule(walk_in: int = 200_000, within_s: int = 60, **more: Any) -> Policy:
    return a_policy(gap_s=0, walk_in_ppm=walk_in, walk_in_within_s=within_s, **more)


def a_pool(*leases: Lease, gpus: int = 10, policy: Policy | None = None) -> Book:
    """One node with 10 GPUs, of which 8 may be booked ahead."""
    quotas = {CompanyId("acme"): 100, CompanyId("bolt"): 100}
    return Book.of(policy or a_rule(), [a_node("n1", gpus)], leases, quotas)


def booked(gpus: int, start: int, duration_s: int = 100, id: str = "lea_1", **more: Any) -> Lease:
    """Asked long ago for then."""
    lease = at_its_time(a_lease(id, company="bolt", starts_at=start, duration_s=duration_s, n1=gpus))
    return replace(lease, **more)


def verdict(book: Book, ask: Ask, now: int = NOW) -> Verdict:
    return decide(book, [(LeaseId("lea_new"), ask)], Instant(now)).verdicts[0]


def starts(book: Book, gpus: int, start: int | None = None, **more: Any) -> int | str:
    """When it is promised to start, or why it is not."""
    found = verdict(book, an_ask(Total(gpus=gpus), start=start, **more))
    return found.promised if isinstance(found, Promise) else found.code


# --- who is held to it ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpus", "start", "want"),
    [
        pytest.param(10, NEAR, NEAR, id="all of the pool, as late as is near"),
        pytest.param(8, NEAR + 1, NEAR + 1, id="all but what is kept, a second later"),
        pytest.param(9, NEAR + 1, Code.WAITS_FOR_WALK_IN, id="one more"),
    ],
)
def test_what_is_near_may_have_all_and_what_is_not_leaves_the_reserve(gpus: int, start: int, want: int | str) -> None:
    assert starts(a_pool(), gpus, start) == want


@pytest.mark.parametrize(
    ("leases", "want"),
    [
        pytest.param([booked(2, 2000), booked(3, 2050, id="lea_2")], Code.WAITS_FOR_WALK_IN, id="at one instant"),
        pytest.param([booked(4, 2000), booked(4, 1950, 50, id="lea_2")], 2000, id="one after the other"),
        pytest.param(
            [booked(8, 1010, 2000, asked_at=Instant(1000))], Code.WAITS_FOR_CAPACITY, id="beside one that walked in"
        ),
        pytest.param([booked(6, 1010, 2000, asked_at=Instant(1000))], 2000, id="of what a walk-in leaves"),
    ],
)
def test_the_line_holds_at_every_instant_of_the_box_for_what_was_booked_ahead(
    leases: Sequence[Lease], want: int | str
) -> None:
    assert starts(a_pool(*leases), 4, 2000) == want


def test_an_ask_for_as_soon_as_possible_starts_near_or_where_the_line_holds() -> None:
    running = booked(10, 900, NEAR - 900, state=State.ACTIVE, started_at=Instant(900), asked_at=Instant(900))
    assert starts(a_pool(running), 10) == NEAR
    later = replace(running, duration_s=1100, ends_at=Instant(2000), stops_at=Instant(2000))
    assert starts(a_pool(later), 8) == 2000
    assert starts(a_pool(later, booked(4, 2000, id="lea_2")), 6) == 2100


def test_one_that_fits_near_is_not_promised_for_when_it_would_be_booked_ahead() -> None:
    """Its slack would be 500 s."""
    running = booked(10, 900, 150, state=State.ACTIVE, started_at=Instant(900))
    book = a_pool(running, policy=a_rule(slack_ppm=500_000))
    found = verdict(book, an_ask(Total(gpus=10), duration_s=1000))
    assert isinstance(found, Promise)
    assert (found.estimate, found.promised, found.start) == (1050, NEAR, NEAR)


def test_the_slack_of_what_is_booked_ahead_stays_inside_the_line() -> None:
    running = booked(10, 900, 1100, state=State.ACTIVE, started_at=Instant(900))
    book = a_pool(running, booked(4, 2160, 500, id="lea_2"), policy=a_rule(slack_ppm=500_000))
    found = verdict(book, an_ask(Total(gpus=6), duration_s=150))
    assert isinstance(found, Promise)
    assert (found.estimate, found.promised, found.start) == (2000, 2075, 2010)


@pytest.mark.parametrize(("gpus", "ppm", "want"), [(10, 200_000, 8), (4, 200_000, 3), (1, 1, 0), (8, 1_000_000, 0)])
def test_the_reserve_is_rounded_up_to_whole_gpus(gpus: int, ppm: int, want: int) -> None:
    assert line(a_rule(ppm), gpus) == want


def test_the_line_is_worked_out_from_the_pool_as_it_is_on_a_good_day() -> None:
    sick = a_pool().changed([Node(id=NodeId("n1"), capacity=8, nominal=10)])
    assert starts(sick, 8, 2000) == 2000
    larger = a_pool().changed([Node(id=NodeId("n1"), capacity=20, nominal=20)])
    assert starts(larger, 16, 2000) == 2000
    assert starts(larger, 17, 2000) == Code.WAITS_FOR_WALK_IN


def test_without_a_reserve_nothing_is_kept_and_nothing_more_is_said_of_the_policy() -> None:
    policy = a_rule(0, 3600)
    assert starts(a_pool(policy=policy), 10, 5000) == 5000
    assert codec.encode(policy) == codec.encode(a_policy(gap_s=0))
    assert codec.decode("policy", codec.encode(a_rule())) == a_rule()


# --- what stays ------------------------------------------------------------------------------------------------


def test_a_reserve_that_comes_later_counts_what_was_booked_before_and_takes_nothing_from_it() -> None:
    free = a_pool(booked(9, 2000), policy=a_rule(0))
    book = free.changed([a_rule()])
    assert replan(book, (), NOW).moves == ()
    assert starts(book, 1, 2000) == Code.WAITS_FOR_WALK_IN
    assert starts(book, 1, 2100) == 2100


def test_it_is_booked_ahead_by_what_it_was_promised_first_wherever_it_is_now() -> None:
    lease = replace(booked(4, 2000, asked_at=NOW), start=None)
    assert is_ahead(a_rule(), lease)
    assert is_ahead(a_rule(), replace(lease, starts_at=Instant(1010)))
    assert is_ahead(a_rule(), replace(lease, promised_start=Instant(3000), slipped_from=Instant(2000)))
    assert not is_ahead(a_rule(), replace(lease, promised_start=Instant(3000), slipped_from=Instant(1050)))
    assert not is_ahead(a_rule(within_s=1000), lease)
    assert not is_ahead(a_rule(0), lease)


def test_what_comes_out_of_the_queue_near_its_start_walked_in() -> None:
    queued = [(LeaseId("lea_q"), an_ask(Total(gpus=10), notice_s=0), Instant(10))]
    plan = replan(a_pool(), queued, NOW)
    lease = plan.book.leases[LeaseId("lea_q")]
    assert (lease.starts_at, lease.granted_at) == (NOW, NOW)
    assert not is_ahead(a_rule(), lease)
    assert plan.book.limits.at(AHEAD, NOW) == 8
    assert codec.decode("lease", codec.encode(lease)) == lease
    again = advance(lease, State.QUEUED, Cause.CAPACITY_LOST, NOW)
    assert again.granted_at is None


def test_without_a_reserve_a_lease_out_of_the_queue_has_the_bytes_that_it_had() -> None:
    queued = [(LeaseId("lea_q"), an_ask(Total(gpus=10), notice_s=0), Instant(10))]
    lease = replan(a_pool(policy=a_rule(0)), queued, NOW).book.leases[LeaseId("lea_q")]
    assert "granted_at" not in codec.encode(lease)


def test_lost_capacity_moves_what_was_promised_past_the_line() -> None:
    """15 of 30 may be booked ahead; the promise that slips takes the first place that there is, beside 8 that are."""
    nodes = [a_node(f"n{k}", 10) for k in (1, 2, 3)]
    there = booked(10, 2000, 200)
    other = at_its_time(a_lease("lea_2", starts_at=2200, duration_s=100, n3=8))
    full = at_its_time(a_lease("lea_3", starts_at=2000, duration_s=200, n2=10, n3=10))
    quotas = {CompanyId("acme"): 100, CompanyId("bolt"): 100}
    book = Book.of(a_rule(500_000), nodes, [there, full, other], quotas)
    lost = book.changed([Node(id=NodeId("n1"), capacity=0, nominal=10, lost_at=Instant(1))])
    [move] = replan(lost, (), NOW).moves
    assert (move.after.starts_at, move.slipped_s) == (2200, 200)
    back = lost.put_lease(move.after).changed([Node(id=NodeId("n1"), capacity=10, nominal=10)])
    [move] = replan(back, (), Instant(NOW + 1)).moves
    assert (move.after.starts_at, move.after.promised_start) == (2000, 2000)


@pytest.mark.parametrize("rule", ["late-slots", "only-earlier"])
def test_what_is_booked_ahead_is_moved_to_a_near_start_past_the_line_and_to_a_later_one_inside_it(rule: str) -> None:
    policy = a_rule(rule=rule)
    wide = replace(booked(6, 2500, 1000, id="lea_2"), start=Instant(2000), start_by=Instant(2500))
    book = a_pool(booked(4, 2000, 450), wide, policy=policy)
    assert replan(book, (), NOW).moves == () or rule == "only-earlier"
    plan = replan(book, (), Instant(1500))
    assert plan.book.leases[LeaseId("lea_2")].starts_at == (2450 if rule == "only-earlier" else 2500)
    plan = replan(book, (), Instant(1950))
    assert plan.book.leases[LeaseId("lea_2")].starts_at == 2000


# --- more of a lease -----------------------------------------------------------------------------------------


def mine(gpus: int = 4, *, ahead: bool, until: int = 1500) -> Lease:
    found = a_lease(MINE, state=State.ACTIVE, starts_at=900, duration_s=until - 900, n1=gpus)
    return replace(found, asked_at=Instant(0 if ahead else 900), purpose=Purpose.INFERENCE)


@pytest.mark.parametrize(
    ("ahead", "until", "end", "want"),
    [
        pytest.param(True, 1500, 1800, None, id="up to where the line does not hold it"),
        pytest.param(True, 1500, 1801, ("walk_in", 1800, 300), id="no further if it was booked ahead"),
        pytest.param(False, 1500, 1900, None, id="further if it walked in"),
        pytest.param(True, 1030, NEAR, None, id="what is near is everybody's"),
    ],
)
def test_what_was_booked_ahead_is_extended_inside_the_line(
    ahead: bool, until: int, end: int, want: tuple[str, int, int] | None
) -> None:
    other = booked(5, 1800 if until == 1500 else 1040, 100)
    found = extend(a_pool(mine(ahead=ahead, until=until), other), MINE, end, NOW)
    assert isinstance(found, Extended) == (want is None)
    if isinstance(found, NotExtended):
        assert (found.obstacle.what, found.obstacle.at, found.longest_s) == want


@pytest.mark.parametrize(
    ("ahead", "size", "want"),
    [(True, 5, None), (True, 6, ("walk_in", 5)), (False, 6, None), (False, 8, ("capacity", 7))],
)
def test_what_was_booked_ahead_grows_inside_the_line(ahead: bool, size: int, want: tuple[str, int] | None) -> None:
    book = a_pool(mine(ahead=ahead), booked(3, 1400, 50))
    found = grow(book, MINE, size, NOW)
    assert isinstance(found, Resized) == (want is None)
    if isinstance(found, NotResized):
        assert (found.obstacle, found.largest) == want


def test_what_is_over_before_it_is_not_near_any_more_grows_as_a_walk_in() -> None:
    book = a_pool(mine(ahead=True, until=NEAR), policy=a_rule(1_000_000))
    assert isinstance(grow(book, MINE, 10, NOW), Resized)


# --- what is said ----------------------------------------------------------------------------------------------


def test_a_refusal_says_the_reserve_what_is_booked_ahead_and_what_could_be_had() -> None:
    ask = an_ask(Total(gpus=6), start=2000, queue=False)
    found = verdict(a_pool(booked(4, 2050)), ask)
    assert isinstance(found, Refusal)
    assert found.code is Code.WALK_IN_RESERVED
    wanted = {"walk_in_gpus": 2, "walk_in_within_s": 60, "ahead_limit_gpus": 8, "ahead_gpus": 4, "ahead_at": 2050}
    wanted |= {"walk_in_from": 1940, "earliest_start": 2150, "largest_gpus_now": 4, "longest_s_now": 50}
    assert wanted.items() <= found.numbers.items()
    assert explain.sentence(found, ask) == (
        "No start at 1970-01-01T00:33:20Z fits 6 GPUs for 1 min 40 s, because pool h100-80gb keeps 2 GPUs for starts within 1 min "
        "and lets 8 be booked further ahead, of which 4 are taken at 1970-01-01T00:34:10Z: start it at 1970-01-01T00:35:50Z, or ask for at "
        "most 4 GPUs then, or ask for at most 50 s then, or ask again from 1970-01-01T00:32:20Z on, when that is near enough, or let "
        "it wait in the queue."
    )
    for less in (replace(ask, shape=Total(gpus=4)), replace(ask, duration_s=50), replace(ask, start=Instant(2150))):
        assert isinstance(verdict(a_pool(booked(4, 2050)), less), Promise)
    assert isinstance(verdict(a_pool(booked(4, 2050)), ask, 1940), Promise)


def test_what_waits_for_it_is_told_when_it_is_near_and_gets_it_then() -> None:
    ask = an_ask(Total(gpus=10), start=2000)
    found = verdict(a_pool(), ask)
    assert isinstance(found, Queued)
    assert (found.code, found.first_fit, found.numbers["walk_in_from"]) == (Code.WAITS_FOR_WALK_IN, 2000, 1940)
    assert "and from 1970-01-01T00:32:20Z on, when that is near enough" in explain.sentence(found, ask)
    queue = [(LeaseId("lea_q"), ask, NOW)]
    assert not replan(a_pool(), queue, Instant(1939)).pulled
    assert list(replan(a_pool(), queue, Instant(1940)).pulled) == ["lea_q"]


def test_a_promise_for_later_says_that_it_waits_for_the_line() -> None:
    running = booked(10, 900, 1100, state=State.ACTIVE, started_at=Instant(900), asked_at=Instant(900))
    ask = an_ask(Total(gpus=6))
    found = verdict(a_pool(running, booked(4, 2000, id="lea_2")), ask)
    assert isinstance(found, Promise)
    assert (found.start, found.numbers["waits_for"], found.numbers["ahead_gpus"]) == (2100, "walk_in", 4)
    assert "lets 8 be booked further ahead, of which 4 are taken at 1970-01-01T00:34:59Z" in explain.sentence(
        found, ask
    )


def test_as_much_of_a_range_as_the_line_leaves_is_promised() -> None:
    found = verdict(a_pool(booked(4, 2000)), an_ask(Total(gpus=10), start=2000, min_size=2))
    assert isinstance(found, Promise)
    assert found.shape == Total(gpus=4)


def test_offers_leave_the_reserve_and_can_be_claimed() -> None:
    ask = an_ask(Total(gpus=6), start=2000, start_by=4000, queue=False)
    book = a_pool(booked(4, 2000))
    offers = search(book, Wish(ask=ask), NOW)
    assert offers[0].start == 2100
    for one in offers:
        claim = replace(ask, shape=one.window.shape, start=one.start, start_by=None)
        assert isinstance(verdict(book, replace(claim, duration_s=one.window.end - one.start)), Promise)


def test_a_gang_larger_than_the_line_can_walk_in_and_not_be_booked() -> None:
    nodes = [a_node("n1", 4), a_node("n2", 4)]
    book = Book.of(a_rule(), nodes, (), {CompanyId("acme"): 8})
    gang = an_ask(Gang(nodes=2, gpus_per_node=4), start=2000)
    assert isinstance(verdict(book, gang), Queued)
    assert isinstance(verdict(book, replace(gang, start=Instant(NEAR))), Promise)
    assert isinstance(verdict(book, replace(gang, shape=Gang(nodes=1, gpus_per_node=4))), Promise)
