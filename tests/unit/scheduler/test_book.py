from dataclasses import replace

import pytest

from scheduler.core.book import Book
from scheduler.core.codec import Item
from scheduler.core.fragmentation import Mix, forecast, stranded
from scheduler.core.model import CompanyId, Instant, Lease, NodeId, State
from scheduler.core.steps import Steps
from tests.builders import a_book, a_lease, a_node, a_policy, a_queued_lease, looks

N1, ACME = NodeId("n1"), CompanyId("acme")


def free(book: Book) -> Steps:
    return book.free.steps(book.rows[N1])


@pytest.mark.parametrize(
    ("lease", "want"),
    [
        pytest.param(a_lease(), (100, 210), id="scheduled"),
        pytest.param(a_lease(state=State.ACTIVE), (100, 210), id="active"),
        pytest.param(a_lease(state=State.ENDING, stops_at=150), (100, 160), id="ending, stopped early"),
        pytest.param(a_lease(state=State.ENDED, started_at=100, stops_at=150), (100, 160), id="ended early"),
        pytest.param(
            a_lease(state=State.ENDED, started_at=100, stops_at=100), (100, 110), id="ended in the second it started"
        ),
    ],
)
def test_a_lease_that_has_gpus_blocks_its_box_and_the_gap(lease: Lease, want: tuple[int, int]):
    assert free(a_book(lease)) == Steps.flat(8).add(*want, -4)


@pytest.mark.parametrize(
    "lease",
    [
        pytest.param(a_queued_lease(), id="queued"),
        pytest.param(replace(a_queued_lease(), state=State.REFUSED), id="refused"),
        pytest.param(replace(a_queued_lease(), state=State.EXPIRED), id="expired in the queue"),
        pytest.param(replace(a_queued_lease(), state=State.ENDED), id="ended without a slot"),
        pytest.param(a_lease(state=State.CANCELLED), id="cancelled"),
        pytest.param(a_lease(state=State.ENDED, stops_at=100), id="ended before it started"),
    ],
)
def test_a_lease_that_never_has_gpus_blocks_nothing(lease: Lease):
    assert looks(a_book(lease)) == looks(a_book())


def test_putting_a_lease_again_replaces_it():
    book = a_book(a_lease())
    assert looks(book.put_lease(a_lease(starts_at=500, n1=2))) == looks(a_book(a_lease(starts_at=500, n1=2)))
    assert looks(book.put_lease(a_lease(state=State.CANCELLED))) == looks(a_book())


def test_putting_many_is_putting_one_after_the_other():
    leases = [
        a_lease("a"),
        a_lease("b", company="bolt", n1=2),
        a_lease("a", starts_at=300),
        a_lease("b", state=State.CANCELLED),
    ]
    one_by_one = a_book()
    for lease in leases:
        one_by_one = one_by_one.put_lease(lease)
    together = a_book().put_leases(leases)
    assert looks(together) == looks(one_by_one)
    assert together.held(ACME) == one_by_one.held(ACME)


def test_each_company_is_held_to_its_own_leases():
    book = a_book(a_lease("a"), a_lease("b", company="bolt", starts_at=150, n1=2))
    assert book.held(ACME) == Steps.flat(0).add(100, 200, 4)
    assert book.held(CompanyId("bolt")) == Steps.flat(0).add(150, 250, 2)
    assert book.held(CompanyId("nobody")) == Steps.flat(0)


def test_an_ended_lease_blocks_its_gap_but_is_not_held():
    book = a_book(a_lease(state=State.ENDED, started_at=100, stops_at=150))
    assert free(book).at(155) == 4
    assert book.held(ACME) == Steps.flat(0)


def test_the_past_is_forgotten_once_the_gap_is_over():
    book = a_book(a_lease(state=State.ENDED, started_at=100))
    assert list(book.since(209).leases) == ["lea_1"]
    assert looks(book.since(210)) == looks(a_book())


def test_a_lease_that_outlives_the_past_can_still_be_replaced():
    book = a_book(a_lease(state=State.ACTIVE)).since(150)
    ended = book.put_lease(a_lease(state=State.ENDED, started_at=100, stops_at=160))
    assert free(ended.since(150)) == Steps(times=(0, 170), values=(4, 8))
    assert looks(ended.since(170)) == looks(a_book())


def test_nodes_that_change_keep_their_bookings():
    book = a_book(a_lease()).changed([a_node("n1", 4), a_node("n2", 2)])
    assert free(book) == Steps(times=(0, 100, 210), values=(4, 0, 4))
    assert book.capacity == 6


def test_capacity_is_what_can_be_granted_and_nominal_what_could_on_a_good_day():
    nodes = [a_node("n1", 6, nominal=8), a_node("n2", 8, open=False), a_node("n3", 0, nominal=8), a_node("n4", 2)]
    book = Book.of(a_policy(), nodes, [])
    assert (book.capacity, book.nominal, book.good_day) == (8, 26, (8, 8, 8, 2))


def test_a_node_without_a_nominal_size_counts_what_it_has():
    assert Book.of(a_policy(), [a_node("n1", 8, nominal=0)], []).nominal == 8


EIGHTS = Mix(weights=((8, 160),))


def test_what_nodes_strand_follows_from_the_mix_and_the_largest_node():
    book = a_book().changed([EIGHTS])
    assert book.stranded.tolist() == stranded(forecast(EIGHTS, 8), 8).tolist() != a_book().stranded.tolist()
    larger = book.changed([a_node("n1", 16)])
    assert larger.stranded.tolist() == stranded(forecast(EIGHTS, 16), 16).tolist()
    assert larger.changed([a_node("n1", 8)]).stranded.tolist() == book.stranded.tolist()


def test_a_node_that_is_sick_for_a_while_strands_as_before():
    book = a_book().changed([EIGHTS])
    assert book.changed([a_node("n1", 0, nominal=8)]).stranded.tolist() == book.stranded.tolist()


@pytest.mark.parametrize(
    "change", [pytest.param(a_node("n9", 4), id="a new node"), pytest.param(a_policy(gap_s=3), id="another policy")]
)
def test_the_mix_stays_where_the_book_is_made_anew(change: Item):
    book = a_book().changed([EIGHTS]).changed([change])
    assert (book.mix, book.since(500).mix) == (EIGHTS, EIGHTS)
    assert book.stranded.tolist() == stranded(forecast(EIGHTS, 8), 8).tolist()


def test_the_mix_is_in_the_digest():
    book = a_book()
    assert book.changed([EIGHTS]).digest(0) != book.digest(0)
    assert book.changed([EIGHTS, Mix(weights=((8, 160),), until=Instant(1))]).digest(0) != book.changed(
        [EIGHTS]
    ).digest(0)
    anew = Book.of(book.policy, book.nodes.values(), (), book.quotas, mix=EIGHTS)
    assert anew.digest(0) == book.changed([EIGHTS]).digest(0)
