from dataclasses import replace

from scheduler.core.book import Book
from scheduler.core.model import Ask, Cause, CompanyId, Instant, Lease, LeaseId, State, Total
from scheduler.core.quota import Quota
from scheduler.core.replan import Move, expectation, replan, soonest
from scheduler.core.rules import EARLIEST_SLOT
from tests.builders import a_book, a_lease, a_policy, a_queued_lease, an_ask

NOW = Instant(1000)
WHOLE = Total(gpus=8)


def a_pool(*leases: Lease, slack_ppm: int = 0) -> Book:
    return a_book(*leases, policy=a_policy(gap_s=0, slack_ppm=slack_ppm, horizon_s=3000), quota=100)


def running(until: int, gpus: int = 8) -> Lease:
    return a_lease("lea_run", company="bolt", state=State.ACTIVE, starts_at=900, duration_s=until - 900, n1=gpus)


def a_queue(*asks: Ask) -> list[tuple[LeaseId, Ask, Instant]]:
    return [(LeaseId(f"lea_{k}"), ask, Instant(900 + k)) for k, ask in enumerate(asks)]


def test_queued_asks_are_promised_in_their_order_what_is_left():
    queue = a_queue(an_ask(WHOLE), an_ask(WHOLE, duration_s=2900), an_ask(WHOLE))
    plan = replan(a_pool(), queue, NOW)
    assert {id_: promise.start for id_, promise in plan.pulled.items()} == {"lea_0": 1000, "lea_1": 1100}
    assert [plan.book.leases[LeaseId(id_)].asked_at for id_ in ("lea_0", "lea_1")] == [900, 901]
    assert plan.moves == ()


def test_a_promise_out_of_the_queue_says_where_the_lease_is():
    plan = replan(a_pool(running(1500), slack_ppm=500_000), a_queue(an_ask(WHOLE)), NOW)
    [promise] = plan.pulled.values()
    lease = plan.book.leases[LeaseId("lea_0")]
    assert (promise.promised, promise.start, promise.estimate) == (1550, 1550, 1500)
    assert (lease.promised_start, lease.starts_at, lease.placement) == (1550, 1550, promise.placement)


def test_who_waited_in_the_queue_is_given_notice_if_the_window_allows():
    for start_by, want in ((None, 1300), (1300, 1300), (1299, 1000)):
        plan = replan(a_pool(), a_queue(an_ask(WHOLE, notice_s=300, start_by=start_by)), NOW)
        assert [promise.start for promise in plan.pulled.values()] == [want]


def test_what_waits_is_moved_before_the_queue_is_served():
    scheduled = a_lease("lea_first", starts_at=2000, n1=8)
    plan = replan(a_pool(scheduled), a_queue(an_ask(WHOLE)), NOW)
    assert [(move.after.id, move.after.starts_at, move.cause) for move in plan.moves] == [
        ("lea_first", 1000, Cause.EARLIER)
    ]
    assert [promise.start for promise in plan.pulled.values()] == [1100]


def test_planning_again_at_once_changes_nothing():
    first = replan(a_pool(running(1500, 4)), a_queue(an_ask(WHOLE), an_ask(Total(gpus=4))), NOW)
    second = replan(first.book, (), NOW)
    assert (second.moves, second.pulled) == ((), {})
    assert second.book.leases == first.book.leases


def test_a_move_says_by_how_much_its_promise_slipped():
    before = a_lease(starts_at=2000)
    later = replace(before, promised_start=Instant(2100))
    assert Move(before=before, after=later, cause=Cause.DRAIN).slipped_s == 100
    assert Move(before=later, after=before, cause=Cause.EARLIER).slipped_s == 0
    assert Move(before=before, after=a_queued_lease(), cause=Cause.DRAIN).slipped_s == 0


# --- what is expected --------------------------------------------------------------------------------------------------


def test_what_is_scheduled_is_expected_at_its_earliest_slot():
    late = a_lease("lea_late", starts_at=2000, n1=8)
    fixed = replace(a_lease("lea_fixed", starts_at=2500, n1=8), start=Instant(2500))
    assert expectation(a_pool(running(1500), late, fixed), (), NOW).starts == {"lea_late": 1500, "lea_fixed": 2500}


def test_what_is_queued_is_expected_after_everything_else_past_the_horizon_too():
    queue = a_queue(an_ask(WHOLE), an_ask(WHOLE), an_ask(WHOLE, start_by=4999))
    assert expectation(a_pool(running(5000)), queue, NOW).starts == {"lea_0": 5000, "lea_1": 5100, "lea_2": None}


def test_what_fits_never_is_not_expected():
    queue = a_queue(an_ask(WHOLE), an_ask(Total(gpus=4), start=950))
    lowered = a_pool().changed([Quota(company=CompanyId("acme"), gpus=4)])
    assert expectation(lowered, queue, NOW).starts == {"lea_0": None, "lea_1": None}


def test_estimating_leaves_the_book_as_it_is():
    book = a_pool(a_lease(starts_at=2000, n1=8))
    before = book.free.steps(0)
    assert expectation(book, (), NOW).starts == {"lea_1": 1000}
    assert (book.free.steps(0), book.leases[LeaseId("lea_1")].starts_at) == (before, 2000)


def test_who_queues_behind_all_is_expected_after_them():
    queue = a_queue(an_ask(WHOLE), an_ask(WHOLE), an_ask(Total(gpus=1)))
    pool = a_pool(running(5000))
    first = expectation(pool, queue[:1], NOW)
    assert first.behind(queue[1:], NOW).starts == expectation(pool, queue, NOW).starts
    assert first.starts == {"lea_0": 5000}
    assert first.starts_behind(queue[1:], NOW) == {"lea_1": 5100, "lea_2": 5200}
    assert first.starts_behind((), NOW) == {}


def test_one_that_takes_less_is_pencilled_in_with_what_fits():
    queue = a_queue(an_ask(WHOLE, min_size=4), an_ask(Total(gpus=4)))
    assert expectation(a_pool(running(5000, 4)), queue, NOW).starts == {"lea_0": 1000, "lea_1": 1100}


def test_where_nothing_is_moved_what_is_scheduled_is_expected_at_its_slot():
    book = a_book(a_lease(starts_at=2000, n1=8), policy=a_policy(gap_s=0, rule=EARLIEST_SLOT), quota=100)
    assert expectation(book, (), NOW).starts == {"lea_1": 2000}
    assert soonest(book, book.leases[LeaseId("lea_1")], NOW) == 2000
