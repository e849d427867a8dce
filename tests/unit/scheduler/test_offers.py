"""Offers of a pool: different windows, each the best at something, and each one that a claim would be promised."""

from dataclasses import replace

import pytest

from scheduler.core.book import Book
from scheduler.core.decide import decide
from scheduler.core.model import CompanyId, Gang, Instant, Lease, LeaseId, Node, Promise, Purpose, Shape, State, Total
from scheduler.core.offers import LEAD_S, MOST, Offer, Reason, Wish, is_whole, search
from scheduler.core.windows import PlacementClass
from tests.builders import GAP_S, HORIZON_S, a_lease, a_node, a_policy, an_ask

SOONEST, CHEAPEST, BEST = Reason.SOONEST, Reason.CHEAPEST, Reason.BEST_PLACEMENT


def a_book(*leases: Lease, nodes: int = 2, quota: int = 16) -> Book:
    quotas = {CompanyId("acme"): quota, CompanyId("bolt"): 64}
    return Book.of(a_policy(), [a_node(f"n{number}") for number in range(1, nodes + 1)], leases, quotas)


def running(id: str, *, until: int, company: str = "bolt", **placement: int) -> Lease:
    return a_lease(id, company=company, state=State.ACTIVE, starts_at=0, duration_s=until, **placement)


def named(offers: list[Offer], reason: Reason) -> Offer:
    [found] = [offer for offer in offers if reason in offer.reasons]
    return found


def test_in_an_empty_pool_the_soonest_is_the_best_of_all_and_later_ones_follow() -> None:
    offers = search(a_book(), Wish(ask=an_ask()), Instant(0))
    assert (offers[0].start, offers[0].reasons) == (LEAD_S, (SOONEST, CHEAPEST, BEST))
    assert [offer.start for offer in offers] == [LEAD_S + number * (100 + GAP_S) for number in range(MOST)]
    assert all(offer.reasons == (Reason.LATER,) for offer in offers[1:])


def test_the_cheapest_leaves_most_of_the_quota() -> None:
    book = a_book(running("lea_1", until=500, company="acme", n1=8))
    offers = search(book, Wish(ask=an_ask(Total(gpus=4))), Instant(0))
    assert named(offers, SOONEST).window.quota_left == 4
    cheapest = named(offers, CHEAPEST).window
    assert (cheapest.start, cheapest.quota_left) == (500, 12)


@pytest.mark.parametrize(
    ("purpose", "want"),
    [
        pytest.param(Purpose.TRAINING, 500 + GAP_S, id="training waits for one node"),
        pytest.param(Purpose.INFERENCE, LEAD_S, id="inference is spread at once"),
    ],
)
def test_what_is_well_placed_depends_on_the_purpose(purpose: Purpose, want: int) -> None:
    book = a_book(running("lea_1", until=500, n1=4), running("lea_2", until=900, n2=4))
    ask = replace(an_ask(Total(gpus=8)), purpose=purpose)
    assert named(search(book, Wish(ask=ask), Instant(0)), BEST).start == want


def test_of_windows_on_one_node_the_best_is_the_one_that_fills_it() -> None:
    book = a_book(running("lea_1", until=300, n1=2), a_lease("lea_2", company="bolt", starts_at=400, n1=4), nodes=1)
    best = named(search(book, Wish(ask=an_ask(Total(gpus=4), duration_s=50)), Instant(0)), BEST).window
    assert (best.start, best.free_beside) == (400, 0)


@pytest.mark.parametrize(
    ("labels", "want"),
    [
        pytest.param([("r1", "a"), ("r1", "a")], PlacementClass.ONE_ISLAND, id="one island"),
        pytest.param([("r1", "a"), ("r1", "b")], PlacementClass.ONE_RACK, id="one rack"),
        pytest.param([("r1", ""), ("r1", "")], PlacementClass.ONE_RACK, id="one rack, its islands unknown"),
        pytest.param([("r1", "a"), ("r2", "a")], PlacementClass.SEVERAL_RACKS, id="islands of one name in two racks"),
        pytest.param([("r1", "a"), ("", "")], PlacementClass.UNLABELLED, id="a node that nobody labelled"),
    ],
)
def test_an_offer_says_how_near_its_nodes_stand(labels: list[tuple[str, str]], want: PlacementClass) -> None:
    nodes: list[Node] = [
        replace(a_node(f"n{number}"), rack=rack, island=island) for number, (rack, island) in enumerate(labels)
    ]
    book = Book.of(a_policy(), nodes, [], {CompanyId("acme"): 16})
    offers = search(book, Wish(ask=an_ask(Gang(nodes=2, gpus_per_node=8))), Instant(0))
    assert {offer.window.placement_class for offer in offers} == {want}
    alone = search(book, Wish(ask=an_ask(Total(gpus=8))), Instant(0))
    assert {offer.window.placement_class for offer in alone} == {PlacementClass.ONE_NODE}


def test_later_windows_never_crowd_out_the_best() -> None:
    """The one with the best placement begins after more later windows than are shown."""
    book = a_book(running("lea_1", until=2000, n1=4), running("lea_2", until=3000, n2=4))
    offers = search(book, Wish(ask=an_ask(Total(gpus=8))), Instant(0))
    assert len(offers) == MOST
    assert named(offers, BEST).start == 2000 + GAP_S


@pytest.mark.parametrize(
    ("wish", "want"),
    [
        pytest.param({}, {}, id="nothing but the whole, where nothing was said"),
        pytest.param({"shortest_s": 60}, {Reason.SHORTER: (60, 80, 8)}, id="sooner and shorter, as long as fits there"),
        pytest.param({"shortest_s": 90}, {}, id="not shorter than was wished for"),
        pytest.param({"fewest": 2}, {Reason.SMALLER: (60, 100, 4)}, id="sooner and smaller, as many as fit there"),
        pytest.param({"fewest": 5}, {}, id="not smaller than was wished for"),
        pytest.param({"longest_s": 130}, {Reason.LONGER: (510, 130, 8)}, id="longer, up to what was wished for"),
        pytest.param({"longest_s": 9000}, {Reason.LONGER: (510, 9000, 8)}, id="longer, as far as the horizon reaches"),
    ],
)
def test_other_than_asked_is_offered_where_it_was_wished_for(
    wish: dict[str, int], want: dict[Reason, tuple[int, int, int]]
) -> None:
    """8 GPUs of one node: half of it is taken from 150 to 500."""
    blocked = a_lease("lea_1", company="bolt", starts_at=150, duration_s=350, n1=4)
    offers = search(a_book(blocked, nodes=1), Wish(ask=an_ask(Total(gpus=8)), **wish), Instant(0))
    assert named(offers, SOONEST).start == 510
    unlike = {
        reason: (offer.start, offer.window.end - offer.start, offer.window.shape.gpus)
        for offer in offers
        for reason in offer.reasons
        if reason in (Reason.SHORTER, Reason.SMALLER, Reason.LONGER)
    }
    assert unlike == want


@pytest.mark.parametrize(
    ("ask", "wish", "want"),
    [
        pytest.param((Total(gpus=8), 100), {}, [(Reason.SHORTER, 80, 8), (Reason.SMALLER, 100, 4)], id="at least half"),
        pytest.param((Total(gpus=9), 100), {}, [(Reason.SHORTER, 0, 0)], id="of one node there are never 9"),
        pytest.param((Total(gpus=8), 200), {}, [(Reason.SMALLER, 200, 4)], id="80 s are less than half of 200"),
        pytest.param(
            (Total(gpus=8), 200),
            {"shortest_s": 70},
            [(Reason.SHORTER, 80, 8), (Reason.SMALLER, 200, 4)],
            id="80 s would do",
        ),
    ],
)
def test_where_the_whole_fits_nowhere_what_is_most_of_it_is_offered(
    ask: tuple[Shape, int], wish: dict[str, int], want: list[tuple[Reason, int, int]]
) -> None:
    shape, duration_s = ask
    book = a_book(a_lease("lea_1", company="bolt", starts_at=150, duration_s=HORIZON_S, n1=4), nodes=1)
    asked = an_ask(shape, duration_s=duration_s)
    offers = search(book, Wish(ask=asked, **wish), Instant(0))
    found = [(offer.reasons[0], offer.window.end - offer.start, offer.window.shape.gpus) for offer in offers]
    assert sorted(found) == sorted(one for one in want if one[1])
    assert not any(is_whole(offer, asked) for offer in offers)


def test_more_than_the_quota_is_offered_as_much_as_the_quota_allows() -> None:
    [offer] = search(a_book(quota=6), Wish(ask=an_ask(Total(gpus=8))), Instant(0))
    assert (offer.reasons, offer.window.shape) == ((Reason.SMALLER,), Total(gpus=6))
    assert search(a_book(quota=0), Wish(ask=an_ask(Total(gpus=8))), Instant(0)) == []


def test_nothing_is_offered_outside_of_the_window() -> None:
    ask = an_ask(start=1000, start_by=1150)
    offers = search(a_book(), Wish(ask=ask, longest_s=200), Instant(0))
    assert {offer.start for offer in offers} == {1000, 1110}
    assert search(a_book(), Wish(ask=an_ask(start_by=LEAD_S - 1)), Instant(0)) == []


def test_a_search_holds_nothing() -> None:
    book = a_book(running("lea_1", until=500, n1=4))
    before = (book.digest(0), dict(book.accounts), book.free.times.copy())
    search(book, Wish(ask=an_ask(company="new"), fewest=1, longest_s=500), Instant(0))
    assert book.digest(0) == before[0]
    assert dict(book.accounts) == before[1]
    assert (book.free.times == before[2]).all()


def test_every_offer_is_what_a_claim_of_it_is_promised() -> None:
    book = a_book(
        running("lea_1", until=500, n1=6),
        running("lea_2", until=900, company="acme", n2=4),
        a_lease("lea_3", company="bolt", starts_at=1200, duration_s=700, n1=8),
    )
    wish = Wish(ask=an_ask(Total(gpus=8), duration_s=300), shortest_s=60, longest_s=900, fewest=1)
    offers = search(book, wish, Instant(0))
    assert {reason for offer in offers for reason in offer.reasons} >= {SOONEST, CHEAPEST, BEST, Reason.SMALLER}
    for offer in offers:
        window = offer.window
        claim = an_ask(window.shape, duration_s=window.end - window.start, start=window.start, queue=False)
        [verdict] = decide(book, [(LeaseId("lea_9"), claim)], Instant(30)).verdicts
        assert isinstance(verdict, Promise)
        assert (verdict.promised, verdict.start, verdict.end) == (window.start, window.start, window.end)
        assert verdict.placement == window.placement
