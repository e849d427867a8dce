from dataclasses import replace
from typing import Any

import pytest

from scheduler.core.book import Book
from scheduler.core.decide import Decided, decide
from scheduler.core.model import Ask, Instant, Lease, LeaseId, Promise, State, Total
from scheduler.core.replan import Plan, replan
from scheduler.core.rules import EARLIEST_SLOT, LATE_SLOTS, ONLY_EARLIER
from tests.builders import a_book, a_lease, a_policy, an_ask

NOW = Instant(1000)
HALF = 500_000
WHOLE = Total(gpus=8)


def a_pool(*leases: Lease, slack_ppm: int = HALF, quota: int = 100, **policy: Any) -> Book:
    """One node of 8 GPUs without gaps; an ask may be promised half of its box later than its earliest start."""
    return a_book(*leases, policy=a_policy(gap_s=0, slack_ppm=slack_ppm, **policy), quota=quota)


def running(until: int, gpus: int = 8, id: str = "lea_running") -> Lease:
    return a_lease(id, company="bolt", state=State.ACTIVE, starts_at=900, duration_s=until - 900, n1=gpus)


def asked(book: Book, *asks: Ask, now: int = NOW, first: int = 0) -> Decided:
    named = [(LeaseId(f"lea_{first + k}"), ask) for k, ask in enumerate(asks)]
    return decide(book, named, Instant(now))


def slots(found: Decided) -> list[tuple[int, int]]:
    """What each ask was promised, and where it is pencilled in."""
    return [(one.promised, one.start) for one in found.verdicts if isinstance(one, Promise)]


def released(book: Book, at: int, id: str = "lea_running") -> Plan:
    """The plan after that lease stopped."""
    lease = book.leases[LeaseId(id)]
    stopped = replace(lease, state=State.ENDED, stops_at=Instant(at), ended_at=Instant(at))
    return replan(book.put_lease(stopped), (), Instant(at))


def moved(plan: Plan) -> dict[str, int | None]:
    return {move.after.id: move.after.starts_at for move in plan.moves}


# --- where an ask is pencilled in -------------------------------------------------------------------------------


def test_a_late_slot_is_as_late_as_the_promise_allows():
    [promise] = asked(a_pool(running(2000)), an_ask(WHOLE)).verdicts
    assert isinstance(promise, Promise)
    assert (promise.promised, promise.start, promise.end, promise.estimate) == (2050, 2050, 2150, 2000)
    assert (promise.numbers["wait_s"], promise.numbers["earliest_wait_s"]) == (1050, 1000)


def test_a_late_slot_is_the_last_that_fits_before_the_promise():
    booked = a_lease("lea_booked", company="bolt", starts_at=2120, n1=8)
    assert slots(asked(a_pool(running(2000), booked), an_ask(WHOLE))) == [(2050, 2020)]


@pytest.mark.parametrize("rule", [EARLIEST_SLOT, ONLY_EARLIER])
def test_the_other_rules_promise_the_earliest_start(rule: str):
    assert slots(asked(a_pool(running(2000), rule=rule), an_ask(WHOLE))) == [(2000, 2000)]


@pytest.mark.parametrize("rule", [LATE_SLOTS, EARLIEST_SLOT, ONLY_EARLIER])
def test_what_fits_at_once_is_promised_now(rule: str):
    assert slots(asked(a_pool(rule=rule), an_ask(WHOLE, notice_s=900))) == [(1000, 1000)]


def test_the_slack_ends_where_the_window_does():
    assert slots(asked(a_pool(running(2000)), an_ask(WHOLE, start=1500, start_by=2020))) == [(2020, 2020)]


def test_an_ask_for_a_time_has_no_slack():
    assert slots(asked(a_pool(), an_ask(WHOLE, start=1500))) == [(1500, 1500)]


def test_asks_that_come_together_are_decided_one_after_the_other():
    book = a_pool()
    short = an_ask(Total(gpus=4), duration_s=50)
    together = asked(book, an_ask(WHOLE), an_ask(WHOLE), short)
    one_by_one = [asked(book, an_ask(WHOLE))]
    one_by_one.append(asked(one_by_one[-1].book, an_ask(WHOLE), first=1))
    one_by_one.append(asked(one_by_one[-1].book, short, first=2))
    assert slots(together) == [slot for found in one_by_one for slot in slots(found)]
    assert slots(together) == [(1000, 1000), (1150, 1150), (1125, 1100)]


# --- what is moved earlier --------------------------------------------------------------------------------------


def test_a_late_slot_leaves_room_for_what_an_early_one_would_keep_waiting():
    """Beside the slot at 2050 half of the node is free for 1,050 s; beside one at 2000 it is not."""
    half = an_ask(Total(gpus=4), duration_s=1050)
    for rule, want in ((LATE_SLOTS, 1000), (EARLIEST_SLOT, 2100)):
        book = asked(a_pool(running(2000, gpus=4), rule=rule), an_ask(WHOLE)).book
        assert slots(asked(book, half, first=1))[0][1] == want


def test_what_waits_starts_as_soon_as_it_fits():
    book = asked(a_pool(running(2000)), an_ask(WHOLE)).book
    assert moved(released(book, 1500)) == {"lea_0": 1500}


def test_a_start_is_not_moved_nearer_than_its_notice():
    book = asked(a_pool(running(2000)), an_ask(WHOLE, notice_s=100)).book
    assert moved(released(book, 1500)) == {"lea_0": 1600}


def test_a_start_that_is_nearer_than_its_notice_already_stays():
    book = asked(a_pool(running(2000)), an_ask(WHOLE, notice_s=100)).book
    assert moved(released(book, 1951)) == {}


@pytest.mark.parametrize("rule", [LATE_SLOTS, ONLY_EARLIER])
def test_a_lease_that_asked_for_a_time_never_moves(rule: str):
    book = asked(a_pool(running(2000), rule=rule), an_ask(WHOLE, start=2050)).book
    assert moved(released(book, 1500)) == {}


def test_what_asked_for_a_window_is_moved_to_its_begin_at_most():
    book = asked(a_pool(running(2000)), an_ask(WHOLE, start=1800, start_by=3000)).book
    assert moved(released(book, 1500)) == {"lea_0": 1800}


def test_of_two_alike_the_one_that_asked_first_starts():
    book = asked(a_pool(running(2000)), an_ask(WHOLE)).book
    book = asked(book, an_ask(WHOLE), now=1001, first=1).book
    assert moved(released(book, 1500)) == {"lea_0": 1500}


def test_of_two_as_wide_the_one_that_waited_longer_for_its_length_starts():
    book = asked(a_pool(running(2000)), an_ask(WHOLE)).book
    book = asked(book, an_ask(WHOLE, duration_s=10), now=1001, first=1).book
    assert moved(released(book, 1500)) == {"lea_1": 1500}


def test_the_wider_starts_before_what_has_waited_longer_for_its_length():
    book = asked(a_pool(running(2000)), an_ask(Total(gpus=4), duration_s=10)).book
    book = asked(book, an_ask(WHOLE), now=1001, first=1).book
    assert moved(released(book, 1500)) == {"lea_1": 1500}


def test_an_ask_is_moved_aside_for_nobody():
    """The one that asks next starts before it only because it fits beside it."""
    first = asked(a_pool(running(2000, gpus=4)), an_ask(WHOLE))
    second = asked(first.book, an_ask(Total(gpus=4), duration_s=1051), first=1)
    assert second.moves == ()
    assert slots(second)[0][1] > 2050


def test_an_ask_that_comes_after_a_release_also_starts_what_waits():
    book = asked(a_pool(running(2000)), an_ask(WHOLE)).book
    stopped = replace(book.leases[LeaseId("lea_running")], state=State.ENDED, stops_at=Instant(1500))
    found = asked(book.put_lease(stopped), an_ask(WHOLE, duration_s=600), now=1500, first=1)
    assert [(after.id, after.starts_at) for _, after in found.moves] == [("lea_0", 1500)]
    assert slots(found) == [(2450, 2450)]


def test_what_has_waited_for_long_keeps_the_earliest_slot_there_is():
    shorter = replace(running(2000), stops_at=Instant(1900))
    for seniority_s, want in ((None, {}), (500, {}), (499, {"lea_0": 1900})):
        book = asked(a_pool(running(2000), seniority_s=seniority_s), an_ask(WHOLE)).book
        assert moved(replan(book.put_lease(shorter), (), Instant(1500))) == want


def test_only_earlier_pulls_each_to_its_earliest_slot():
    for rule, want in ((ONLY_EARLIER, {"lea_0": 1900}), (EARLIEST_SLOT, {})):
        book = asked(a_pool(running(2000), rule=rule), an_ask(WHOLE)).book
        shorter = replace(running(2000), stops_at=Instant(1900))
        assert moved(replan(book.put_lease(shorter), (), Instant(1500))) == want


# --- the reserve ------------------------------------------------------------------------------------------------


def test_long_boxes_leave_the_reserve_to_short_ones():
    book = a_pool(slack_ppm=0, reserve_ppm=250_000, reserve_over_s=50)
    found = asked(book, an_ask(Total(gpus=6)), an_ask(Total(gpus=2)), an_ask(Total(gpus=2), duration_s=50))
    assert slots(found) == [(1000, 1000), (1100, 1100), (1000, 1000)]


def test_a_long_box_that_is_larger_than_all_that_the_reserve_leaves_is_not_held_to_it():
    book = a_pool(running(1100, gpus=1), slack_ppm=0, reserve_ppm=250_000, reserve_over_s=50)
    assert slots(asked(book, an_ask(Total(gpus=7)))) == [(1000, 1000)]
