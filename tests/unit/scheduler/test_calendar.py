"""When it fits, asked of a book."""

import pytest

from scheduler.core.book import Book, Draft
from scheduler.core.calendar import Box, earliest, fits, free_from, latest
from scheduler.core.model import CompanyId, Gang, Shape, State, Total
from scheduler.core.quota import Quota
from tests.builders import a_book, a_lease, a_node, a_policy

ACME, BOLT = CompanyId("acme"), CompanyId("bolt")


def two_nodes() -> Book:
    """n1 is free but for [100, 200), when it has 2 left; n2 has 4 free until 300 and then all."""
    busy = a_lease("a", company="bolt", state=State.ACTIVE, starts_at=100, duration_s=100, n1=6)
    first = a_lease("b", company="bolt", state=State.ACTIVE, starts_at=0, duration_s=300, n2=4)
    return a_book(busy, first, nodes=2, gap_s=0)


def box(book: Book, shape: Shape, length: int) -> Box:
    return Box.of(book, ACME, shape, length).unlimited()


@pytest.mark.parametrize(
    ("shape", "length", "want"),
    [
        pytest.param(Gang(nodes=1, gpus_per_node=8), 100, 0, id="a run that ends just in time is taken"),
        pytest.param(Gang(nodes=1, gpus_per_node=8), 101, 200, id="one second more waits for the next run"),
        pytest.param(Gang(nodes=2, gpus_per_node=4), 100, 0, id="a gang takes parts of both nodes"),
        pytest.param(Gang(nodes=2, gpus_per_node=5), 50, 300, id="a gang waits until all its nodes are free together"),
        pytest.param(Gang(nodes=2, gpus_per_node=2), 1000, 0, id="a small gang fits beside everything"),
        pytest.param(Gang(nodes=3, gpus_per_node=1), 1, None, id="a gang of more nodes than there are never starts"),
        pytest.param(Total(gpus=12), 100, 0, id="a total adds up what both nodes have left"),
        pytest.param(Total(gpus=12), 101, 200, id="a total waits for more"),
        pytest.param(Total(gpus=13), 100, 300, id="a total waits for both nodes"),
        pytest.param(Total(gpus=6), 1000, 0, id="a small total fits beside everything"),
        pytest.param(Total(gpus=17), 1, None, id="a total of more than there is never starts"),
    ],
)
def test_the_earliest_start(shape: Shape, length: int, want: int | None):
    book = two_nodes()
    assert earliest(book, box(book, shape, length), 0, 1000) == want


@pytest.mark.parametrize(
    ("lo", "hi", "want"),
    [
        pytest.param(1, 1000, 200, id="not before the window"),
        pytest.param(1, 200, 200, id="at the last instant of the window"),
        pytest.param(1, 199, None, id="not after the window"),
        pytest.param(0, 0, 0, id="exactly then"),
        pytest.param(50, 50, None, id="exactly then does not fit"),
        pytest.param(500, 400, None, id="a window that ends before it begins"),
    ],
)
def test_the_earliest_start_lies_in_the_window(lo: int, hi: int, want: int | None):
    book = two_nodes()
    assert earliest(book, box(book, Gang(nodes=1, gpus_per_node=8), 100), lo, hi) == want


@pytest.mark.parametrize(
    ("shape", "length", "hi", "want"),
    [
        pytest.param(Gang(nodes=1, gpus_per_node=8), 100, 1000, 1000, id="the end of the window"),
        pytest.param(Gang(nodes=1, gpus_per_node=8), 60, 150, 40, id="just before what is in the way"),
        pytest.param(Gang(nodes=2, gpus_per_node=5), 50, 299, None, id="no start before all nodes are free together"),
        pytest.param(Total(gpus=12), 60, 150, 40, id="a total, just before what is in the way"),
    ],
)
def test_the_latest_start(shape: Shape, length: int, hi: int, want: int | None):
    book = two_nodes()
    assert latest(book, box(book, shape, length), 0, hi) == want


def test_the_quota_holds_for_the_lease_and_not_for_its_gap():
    own = a_lease("own", state=State.ACTIVE, starts_at=90, duration_s=130, n2=8)
    book = a_book(own, nodes=2, gap_s=10).changed([Quota(company=ACME, gpus=8)])
    asked = Box.of(book, ACME, Gang(nodes=1, gpus_per_node=8), 90)
    assert earliest(book, asked, 0, 1000) == 0
    assert earliest(book, asked, 1, 1000) == 220
    assert fits(book, asked.unlimited(), 1)


def test_nothing_starts_on_a_closed_node():
    book = Book.of(a_policy(gap_s=0), [a_node("n1", 8, open=False), a_node("n2", 4)])
    assert earliest(book, box(book, Gang(nodes=1, gpus_per_node=8), 10), 0, 1000) is None
    assert earliest(book, box(book, Total(gpus=4), 10), 0, 1000) == 0
    assert Draft(book).free_at(0) == 4


def test_a_node_that_lost_more_than_is_free_takes_nothing_from_the_others():
    lease = a_lease("a", state=State.ACTIVE, starts_at=0, duration_s=100, n1=6)
    book = a_book(lease, nodes=2, gap_s=0).changed([a_node("n1", 4)])
    assert earliest(book, box(book, Total(gpus=8), 50), 0, 0) == 0
    assert earliest(book, box(book, Total(gpus=9), 50), 0, 1000) == 100


def test_forgetting_the_past_changes_no_answer_from_then_on():
    book = two_nodes()
    past = book.since(150)
    for shape in (Gang(nodes=2, gpus_per_node=5), Total(gpus=7), Total(gpus=3)):
        asked = box(book, shape, 60)
        assert earliest(past, asked, 150, 1000) == earliest(book, asked, 150, 1000)


def test_how_long_a_node_stays_free():
    book = two_nodes()
    n1 = book.rows[next(iter(book.rows))]
    assert free_from(book, n1, 0, 8, 1000) == 100
    assert free_from(book, n1, 0, 2, 1000) == 1000
    assert free_from(book, n1, 150, 3, 1000) == 150
