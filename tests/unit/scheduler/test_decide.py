from dataclasses import replace

import pytest

from scheduler.core.book import Book
from scheduler.core.codec import Quota
from scheduler.core.decide import decide
from scheduler.core.model import (
    Ask,
    Code,
    Gang,
    Instant,
    Lease,
    LeaseId,
    Numbers,
    Promise,
    Queued,
    Refusal,
    State,
    Total,
)
from tests.builders import a_book, a_lease, a_node, a_placement, a_policy, an_ask, at_its_time, granted

NOW = Instant(1000)
QUOTA = 16
LAST = 1000 + 10_000 - 100
"""The last start of 100 s in the horizon of the builders."""


def decided(book: Book, ask: Ask, quota: int = QUOTA):
    asked = book.changed([Quota(company=ask.company, gpus=quota)])
    return decide(asked, [(LeaseId("lea_new"), ask)], NOW).verdicts[0]


def taken(until: int, gpus: int = 8, since: int = 900) -> Lease:
    """Somebody else's lease on n1, whose gap ends at `until`."""
    return a_lease(
        "lea_other", company="bolt", state=State.ACTIVE, starts_at=since, duration_s=until - 10 - since, n1=gpus
    )


def own(until: int, gpus: int = 8, since: int = 900) -> Lease:
    """A lease of the company that asks, on n2, until then."""
    return a_lease("lea_own", state=State.ACTIVE, starts_at=since, duration_s=until - since, n2=gpus)


# --- promises ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("book", "ask", "code", "start"),
    [
        pytest.param(a_book(), an_ask(), Code.STARTS_NOW, 1000, id="an empty pool gives it now"),
        pytest.param(a_book(taken(2000, 4)), an_ask(), Code.STARTS_NOW, 1000, id="beside somebody else's lease"),
        pytest.param(a_book(taken(2000)), an_ask(), Code.STARTS_LATER, 2000, id="in a full pool when the gap is over"),
        pytest.param(
            a_book(taken(2000, since=1110)), an_ask(), Code.STARTS_NOW, 1000, id="before a lease, if box and gap fit"
        ),
        pytest.param(
            a_book(taken(2000, since=1109)),
            an_ask(),
            Code.STARTS_LATER,
            2000,
            id="after a lease that the gap runs into",
        ),
        pytest.param(a_book(), an_ask(start=5000), Code.STARTS_AS_ASKED, 5000, id="at exactly the time asked for"),
        pytest.param(
            a_book(taken(2000)), an_ask(start=1500, start_by=3000), Code.STARTS_LATER, 2000, id="later in its window"
        ),
        pytest.param(
            a_book(taken(2000)),
            an_ask(start=1500, start_by=2000),
            Code.STARTS_LATER,
            2000,
            id="at the end of its window",
        ),
        pytest.param(a_book(), an_ask(start=1500, start_by=3000), Code.STARTS_AS_ASKED, 1500, id="first in its window"),
        pytest.param(a_book(), an_ask(start=10, start_by=3000), Code.STARTS_NOW, 1000, id="now, if its window is open"),
        pytest.param(
            a_book(taken(2000)), an_ask(start_by=2500), Code.STARTS_LATER, 2000, id="as soon as possible but by"
        ),
        pytest.param(a_book(taken(LAST)), an_ask(), Code.STARTS_LATER, LAST, id="so that it just ends in the horizon"),
        pytest.param(a_book(), an_ask(start=LAST), Code.STARTS_AS_ASKED, LAST, id="asked for the end of the horizon"),
    ],
)
def test_an_ask_is_promised_its_earliest_start(book: Book, ask: Ask, code: Code, start: int):
    promise = decided(book, ask)
    assert isinstance(promise, Promise)
    assert (promise.code, promise.start, promise.end) == (code, start, start + 100)
    assert promise.placement == a_placement(n1=4)


def test_a_promise_is_placed_where_it_fits_with_its_gap():
    book = a_book(taken(2000, 1, since=1105), nodes=2)
    promise = decided(book, an_ask(Total(gpus=8)))
    assert isinstance(promise, Promise)
    assert (promise.start, promise.placement) == (1000, a_placement(n2=8))


def test_quota_in_use_promises_the_start_at_which_it_is_free_again():
    promise = decided(a_book(own(1300), nodes=3), an_ask(Total(gpus=8)), quota=8)
    assert isinstance(promise, Promise)
    assert (promise.code, promise.start) == (Code.STARTS_LATER, 1300)
    assert promise.numbers["waits_for"] == "quota"


def test_quota_holds_at_every_instant_of_the_lease():
    """A booking of its own at 1050 leaves no room before it, though now there is some."""
    promise = decided(a_book(own(1300, since=1050), nodes=3), an_ask(Total(gpus=8)), quota=8)
    assert isinstance(promise, Promise)
    assert promise.start == 1300


def test_quota_is_needed_for_the_lease_and_not_for_its_gap():
    promise = decided(a_book(own(1300, since=1100), nodes=3), an_ask(Total(gpus=8)), quota=8)
    assert isinstance(promise, Promise)
    assert promise.start == 1000


def test_quota_and_capacity_hold_together():
    promise = decided(a_book(own(1300), taken(1290, 8, since=1250), nodes=2), an_ask(Total(gpus=9)), quota=16)
    assert isinstance(promise, Promise)
    assert (promise.start, promise.placement) == (1310, a_placement(n1=8, n2=1))
    assert promise.numbers["waits_for"] == "capacity"


def test_a_promise_says_its_numbers():
    promise = decided(a_book(taken(2000, 7), own(1300, 2), nodes=2), an_ask(Gang(nodes=2, gpus_per_node=2)))
    assert promise.numbers == {
        "asked_gpus": 4,
        "held_gpus": 2,
        "limit_gpus": 16,
        "free_gpus_now": 7,
        "pool_gpus": 16,
        "gpus": 4,
        "wait_s": 1000,
        "earliest_wait_s": 1000,
        "waits_for": "capacity",
    }


def test_the_company_of_a_promise_is_held_to_it():
    book, ask = a_book(nodes=3), an_ask(Total(gpus=8))
    promise = decided(book, ask, quota=8)
    assert isinstance(promise, Promise)
    second = decided(book.put_lease(granted("lea_1", ask, promise)), ask, quota=8)
    assert isinstance(second, Promise)
    assert second.start == 1100


# --- the queue --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("book", "ask", "quota", "code"),
    [
        pytest.param(a_book(taken(LAST + 1)), an_ask(), 16, Code.WAITS_FOR_CAPACITY, id="full past the horizon"),
        pytest.param(
            a_book(taken(2000)), an_ask(start_by=1999), 16, Code.WAITS_FOR_CAPACITY, id="full past its window"
        ),
        pytest.param(
            a_book(taken(2000)), an_ask(start=1500), 16, Code.WAITS_FOR_CAPACITY, id="full when it wants to start"
        ),
        pytest.param(
            a_book(own(2000), nodes=3), an_ask(start_by=1999), 8, Code.WAITS_FOR_QUOTA, id="quota past its window"
        ),
        pytest.param(
            a_book(own(2000), taken(2000), nodes=2),
            an_ask(start_by=1999),
            8,
            Code.WAITS_FOR_CAPACITY,
            id="pool and quota both full",
        ),
        pytest.param(
            a_book(
                own(1500, 4),
                at_its_time(a_lease("x", company="bolt", starts_at=1400, duration_s=590, n1=8, n2=4)),
                nodes=2,
            ),
            an_ask(Total(gpus=8), start_by=1999),
            8,
            Code.WAITS_FOR_QUOTA,
            id="each free for a while, never together",
        ),
        pytest.param(a_book(), an_ask(start=500), 16, Code.WAITS_FOR_CAPACITY, id="a window that is past"),
        pytest.param(
            a_book(), an_ask(start=3000, start_by=2000), 16, Code.WAITS_FOR_CAPACITY, id="a window the wrong way"
        ),
        pytest.param(a_book(), an_ask(start=LAST + 1), 16, Code.WAITS_FOR_CAPACITY, id="a start past the horizon"),
    ],
)
def test_an_ask_without_a_start_waits_in_the_queue(book: Book, ask: Ask, quota: int, code: Code):
    queued = decided(book, ask, quota)
    assert isinstance(queued, Queued)
    assert queued.code is code


def test_a_place_in_the_queue_says_its_numbers():
    queued = decided(a_book(taken(LAST + 1, 6)), an_ask())
    assert queued.numbers == {"asked_gpus": 4, "held_gpus": 0, "limit_gpus": 16, "free_gpus_now": 2, "pool_gpus": 8}


def test_a_queued_ask_is_promised_when_a_lease_ends():
    book = a_book(taken(LAST + 1))
    assert isinstance(decided(book, an_ask()), Queued)
    promise = decided(book.put_lease(replace(taken(LAST + 1), state=State.ENDING, stops_at=Instant(1000))), an_ask())
    assert isinstance(promise, Promise)
    assert promise.start == 1010


# --- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("book", "ask", "quota", "want"),
    [
        pytest.param(
            a_book(own(2000, 3), nodes=2),
            an_ask(Total(gpus=9)),
            8,
            {"asked_gpus": 9, "limit_gpus": 8, "held_gpus": 3, "largest_gpus": 8},
            id="a total larger than the quota",
        ),
        pytest.param(
            a_book(nodes=4),
            an_ask(Gang(nodes=3, gpus_per_node=6)),
            16,
            {"asked_gpus": 18, "limit_gpus": 16, "largest_gpus": 12, "largest_gang_nodes": 2},
            id="a gang larger than the quota",
        ),
        pytest.param(a_book(), an_ask(), 0, {"limit_gpus": 0, "largest_gpus": 0}, id="no quota at all"),
    ],
)
def test_more_than_the_quota_is_refused_even_if_the_ask_would_wait(book: Book, ask: Ask, quota: int, want: Numbers):
    refusal = decided(book, ask, quota)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.QUOTA_EXCEEDED
    assert want.items() <= refusal.numbers.items()


@pytest.mark.parametrize(
    ("ask", "want"),
    [
        pytest.param(
            an_ask(Total(gpus=17)), {"asked_gpus": 17, "pool_gpus": 16, "nodes": 2, "largest_gpus": 16}, id="a total"
        ),
        pytest.param(
            an_ask(Gang(nodes=3, gpus_per_node=8)),
            {"asked_gpus": 24, "largest_gang_nodes": 2, "largest_gpus": 16},
            id="a gang of too many nodes",
        ),
        pytest.param(
            an_ask(Gang(nodes=9, gpus_per_node=9)),
            {"asked_gpus": 81, "largest_gpus": 0},
            id="what the quota would not allow either: raising it would not help",
        ),
        pytest.param(
            an_ask(Gang(nodes=1, gpus_per_node=9)),
            {"largest_gang_nodes": 0, "largest_gpus": 0, "largest_gpus_per_node": 8},
            id="a gang of too large nodes",
        ),
    ],
)
def test_a_shape_that_an_empty_pool_could_not_hold_is_refused(ask: Ask, want: Numbers):
    refusal = decided(a_book(taken(5000), nodes=2), ask, quota=100)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.NEVER_FITS
    assert want.items() <= refusal.numbers.items()


@pytest.mark.parametrize(
    ("book", "ask", "quota", "want"),
    [
        pytest.param(
            a_book(own(2000, 3), nodes=2),
            an_ask(Total(gpus=9), duration_s=100),
            8,
            {"earliest_start": 2000, "largest_gpus_now": 5},
            id="beyond the quota: all of the quota later, what is left of it now",
        ),
        pytest.param(
            a_book(taken(2000, 8, since=1050), nodes=1),
            an_ask(Total(gpus=9), duration_s=100),
            16,
            {"earliest_start": 2000, "longest_s_now": 40},
            id="beyond the pool: the whole pool later, or for shorter now",
        ),
        pytest.param(
            a_book(nodes=3),
            an_ask(Gang(nodes=2, gpus_per_node=9), duration_s=100),
            24,
            {"earliest_start": 1000, "largest_gpus_now": 16, "longest_s_now": 100, "instead_gpus_per_node": 8},
            id="more than a node has: as many as it has on each",
        ),
        pytest.param(
            a_book(nodes=3),
            an_ask(Gang(nodes=2, gpus_per_node=8), duration_s=100),
            6,
            {"earliest_start": 1000, "largest_gpus_now": 6, "longest_s_now": 100, "instead_gpus_per_node": 3},
            id="more on a node than the quota: less on each",
        ),
        pytest.param(a_book(), an_ask(), 0, {}, id="no quota at all"),
        pytest.param(a_book(nodes=0), an_ask(), 16, {}, id="no node at all"),
    ],
)
@pytest.mark.parametrize("queue", [True, False])
def test_what_could_never_be_had_is_told_what_could(book: Book, ask: Ask, quota: int, want: Numbers, queue: bool):
    refusal = decided(book, replace(ask, queue=queue), quota)
    assert isinstance(refusal, Refusal)
    names = ("earliest_start", "largest_gpus_now", "longest_s_now", "instead_gpus_per_node")
    assert {name: refusal.numbers[name] for name in names if name in refusal.numbers} == want


def test_a_shape_that_fits_on_a_good_day_waits_for_it():
    nodes = [a_node("n1", 8), a_node("n2", 6, nominal=8), a_node("n3", 8, open=False)]
    book = Book.of(a_policy(), nodes, [])
    assert decided(book, an_ask(Gang(nodes=3, gpus_per_node=8)), quota=100).code is Code.WAITS_FOR_CAPACITY
    assert decided(book, an_ask(Gang(nodes=4, gpus_per_node=8)), quota=100).code is Code.NEVER_FITS


def test_a_pool_without_nodes_holds_nothing():
    refusal = decided(a_book(nodes=0), an_ask())
    assert refusal.code is Code.NEVER_FITS
    assert refusal.numbers["largest_gpus_per_node"] == 0


@pytest.mark.parametrize(
    ("book", "ask", "quota", "want"),
    [
        pytest.param(
            a_book(taken(2000, 6)),
            an_ask(start_by=1500),
            16,
            {"waits_for": "capacity", "earliest_start": 2000, "largest_gpus_now": 2},
            id="too full: less of it now, or all of it later",
        ),
        pytest.param(
            a_book(taken(2000, 8, since=1050)),
            an_ask(start_by=1500),
            16,
            {"waits_for": "capacity", "earliest_start": 2000, "longest_s_now": 40},
            id="too long: for as long as box and gap fit",
        ),
        pytest.param(
            a_book(taken(2000, 6), nodes=2),
            an_ask(Gang(nodes=2, gpus_per_node=4), start=1000),
            16,
            {"waits_for": "capacity", "earliest_start": 2000, "largest_gpus_now": 4},
            id="a gang is told of fewer nodes",
        ),
        pytest.param(
            a_book(own(2000, 6), nodes=3),
            an_ask(start_by=1500),
            8,
            {"waits_for": "quota", "earliest_start": 2000, "largest_gpus_now": 2},
            id="quota in use",
        ),
        pytest.param(
            a_book(taken(20_000, 8, since=1500)),
            an_ask(start=1600),
            16,
            {"waits_for": "capacity", "earliest_start": 1000},
            id="full from then on, but free before",
        ),
        pytest.param(a_book(taken(20_000)), an_ask(), 16, {"waits_for": "capacity"}, id="nothing would work"),
        pytest.param(
            a_book(taken(LAST + 1)),
            an_ask(start=LAST + 500),
            16,
            {"waits_for": "capacity"},
            id="nothing past the horizon",
        ),
    ],
)
def test_an_ask_that_does_not_wait_is_told_what_would_work(book: Book, ask: Ask, quota: int, want: Numbers):
    refusal = decided(book, replace(ask, queue=False), quota)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.NO_START_IN_WINDOW
    options = {"waits_for", "earliest_start", "largest_gpus_now", "longest_s_now"}
    assert {name: number for name, number in refusal.numbers.items() if name in options} == want


def test_an_ask_that_does_not_wait_is_promised_what_fits():
    assert decided(a_book(taken(2000)), an_ask(queue=False)).code is Code.STARTS_LATER


def test_a_refusal_says_what_is_so_once_others_were_moved_earlier():
    waiting = a_lease("lea_first", company="bolt", starts_at=1050, duration_s=1000, n1=8)
    decided = decide(
        a_book(waiting, quota=16), [(LeaseId("lea_new"), an_ask(Total(gpus=8), start_by=1500, queue=False))], NOW
    )
    [verdict] = decided.verdicts
    [(_, moved)] = decided.moves
    assert moved.starts_at == 1000
    assert (verdict.code, verdict.numbers["earliest_start"]) == (Code.NO_START_IN_WINDOW, 2010)


def test_an_ask_that_fits_once_others_were_moved_earlier_is_promised():
    waiting = a_lease("lea_first", company="bolt", starts_at=1100, duration_s=100, n1=8)
    decided = decide(a_book(waiting, quota=16), [(LeaseId("lea_new"), an_ask(Total(gpus=8), start_by=1150))], NOW)
    [verdict] = decided.verdicts
    assert isinstance(verdict, Promise)
    assert verdict.start == 1110
