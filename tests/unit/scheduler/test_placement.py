from dataclasses import replace

import numpy as np
import pytest

from scheduler.core.book import Book
from scheduler.core.model import Gang, Placement, Purpose, Shape, State, Total
from scheduler.core.placement import kept, place, place_on
from tests.builders import a_lease, a_node, a_placement, a_policy


def a_book_with(**free: int) -> Book:
    """Nodes of 8 GPUs with so many free over [0, 100)."""
    taken = [
        replace(
            a_lease(f"lea_{node}", state=State.ACTIVE, starts_at=0, duration_s=100),
            shape=Total(gpus=8 - gpus),
            placement=a_placement(**{node: 8 - gpus}),
        )
        for node, gpus in free.items()
        if gpus < 8
    ]
    return Book.of(a_policy(gap_s=0), [a_node(node, 8) for node in free], taken)


@pytest.mark.parametrize(
    ("free", "shape", "want"),
    [
        pytest.param(
            {"n1": 8, "n2": 4, "n3": 6},
            Gang(nodes=2, gpus_per_node=4),
            a_placement(n2=4, n3=4),
            id="a gang takes the fullest nodes that hold it",
        ),
        pytest.param(
            {"n3": 8, "n2": 8, "n1": 8},
            Gang(nodes=2, gpus_per_node=8),
            a_placement(n1=8, n2=8),
            id="among equal nodes the first by name",
        ),
        pytest.param(
            {"n1": 8, "n2": 3, "n3": 5},
            Total(gpus=3),
            a_placement(n2=3),
            id="a total that fits one node takes the fullest",
        ),
        pytest.param(
            {"n2": 5, "n1": 5}, Total(gpus=3), a_placement(n1=3), id="among equal single nodes the first by name"
        ),
        pytest.param(
            {"n1": 2, "n2": 8, "n3": 3, "n4": 4},
            Total(gpus=11),
            a_placement(n2=8, n3=3),
            id="a larger total takes the emptiest node and the rest of it the fullest that holds it",
        ),
        pytest.param(
            {"n1": 1, "n2": 2, "n3": 3}, Total(gpus=6), a_placement(n1=1, n2=2, n3=3), id="a total may take everything"
        ),
        pytest.param(
            {"n1": 6, "n2": 6, "n3": 6},
            Total(gpus=7),
            a_placement(n1=6, n2=1),
            id="among equal nodes a total goes by name",
        ),
    ],
)
def test_where_a_shape_goes(free: dict[str, int], shape: Shape, want: Placement):
    assert place(a_book_with(**free), shape, 0, 100) == want


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(Gang(nodes=2, gpus_per_node=4), id="a gang is all or nothing"),
        pytest.param(Total(gpus=7), id="a total is all or nothing"),
    ],
)
def test_there_is_no_half_placement(shape: Shape):
    with pytest.raises(ValueError, match="free"):
        place(a_book_with(n1=4, n2=2), shape, 0, 100)


def test_a_node_counts_only_what_is_free_throughout():
    book = a_book_with(n1=8, n2=8).put_lease(a_lease(state=State.ACTIVE, starts_at=50, duration_s=10, n1=1))
    assert place(book, Total(gpus=8), 0, 55) == a_placement(n2=8)
    assert place(book, Total(gpus=8), 0, 40) == a_placement(n1=8)


def test_nothing_is_placed_on_a_closed_node():
    book = a_book_with(n1=8, n2=8).changed([a_node("n1", 8, open=False)])
    assert place(book, Total(gpus=1), 0, 100) == a_placement(n2=1)


def racks(book: Book, **domains: str) -> Book:
    """The book with `n1="r1/i1"` as its nodes' racks and islands."""
    return book.changed(
        [
            replace(book.nodes[node], rack=domain.partition("/")[0], island=domain.partition("/")[2])
            for node, domain in ((node, domains[str(node)]) for node in book.nodes)
        ]
    )


EIGHT = {"n1": "r1/a", "n2": "r1/b", "n3": "r2/a", "n4": "r2/a", "n5": "r3/a"}


def test_a_training_gang_is_kept_on_one_island():
    book = racks(a_book_with(n1=8, n2=8, n3=8, n4=8, n5=8), **EIGHT)
    assert place(book, Gang(nodes=2, gpus_per_node=8), 0, 100) == a_placement(n3=8, n4=8)


def test_a_training_gang_that_fits_no_island_is_kept_in_one_rack():
    book = racks(a_book_with(n1=8, n2=8, n3=8, n4=0, n5=8), **EIGHT)
    assert place(book, Gang(nodes=2, gpus_per_node=8), 0, 100) == a_placement(n1=8, n2=8)


def test_a_training_gang_that_fits_no_rack_takes_the_fewest_racks():
    book = racks(a_book_with(n1=8, n2=8, n3=8, n4=8, n5=8), **EIGHT)
    assert place(book, Gang(nodes=4, gpus_per_node=8), 0, 100) == a_placement(n1=8, n2=8, n3=8, n4=8)


def test_inference_is_spread_over_islands():
    book = racks(a_book_with(n1=8, n2=8, n3=8, n4=8, n5=8), **EIGHT)
    placed = place(book, Gang(nodes=4, gpus_per_node=4), 0, 100, Purpose.INFERENCE)
    assert placed == a_placement(n1=4, n2=4, n3=4, n5=4)


def test_a_total_for_inference_is_spread_over_nodes():
    assert place(a_book_with(n1=8, n2=8, n3=2), Total(gpus=4), 0, 100, Purpose.INFERENCE) == a_placement(n1=2, n2=2)


ACROSS = {"n1": "r1/a", "n2": "r2/a", "n3": "r1/b", "n4": "r2/b", "n5": "r1/b"}


@pytest.mark.parametrize(
    ("gpus", "want"),
    [
        pytest.param(2, a_placement(n1=1, n2=1), id="a rack each"),
        pytest.param(4, a_placement(n1=1, n2=1, n3=1, n4=1), id="then an island each"),
        pytest.param(6, a_placement(n1=1, n2=2, n3=1, n4=1, n5=1), id="in an island the node with most left"),
        pytest.param(8, a_placement(n1=2, n2=2, n3=1, n4=2, n5=1), id="and so on"),
    ],
)
def test_a_total_for_inference_is_spread_over_racks_then_islands_then_nodes(gpus: int, want: Placement):
    book = racks(a_book_with(n1=8, n2=8, n3=8, n4=8, n5=8), **ACROSS)
    assert place(book, Total(gpus=gpus), 0, 100, Purpose.INFERENCE) == want


def test_what_an_inference_total_gets_more_goes_away_from_what_it_has():
    book = racks(a_book_with(n1=6, n2=8, n3=8, n4=8, n5=8), **ACROSS)
    lost = kept(book, Total(gpus=3), a_placement(n1=2, gone=1), 0, 100, Purpose.INFERENCE)
    assert lost == a_placement(n1=2, n2=1)
    free = np.array([6, 8, 8, 8, 8])
    more = place_on(book, free, Total(gpus=3), (0, 100), Purpose.INFERENCE, a_placement(n1=2))
    assert more == a_placement(n2=1, n3=1, n4=1)


@pytest.mark.parametrize(
    ("free", "gpus", "want"),
    [
        pytest.param({}, 16, a_placement(n3=8, n5=8), id="on one island"),
        pytest.param({"n5": 0}, 16, a_placement(n1=8, n3=8), id="else in one rack"),
        pytest.param(
            {"n1": 0, "n5": 4}, 20, a_placement(n2=8, n3=8, n5=4), id="else in the fewest racks, and islands there"
        ),
        pytest.param({"n5": 4}, 13, a_placement(n2=8, n4=5), id="in the rack that has least more"),
        pytest.param({"n3": 4, "n5": 4}, 16, a_placement(n2=8, n4=8), id="rather another rack than a node more"),
        pytest.param({}, 40, a_placement(n1=8, n2=8, n3=8, n4=8, n5=8), id="on all there is"),
    ],
)
def test_a_training_total_larger_than_a_node_is_kept_together(free: dict[str, int], gpus: int, want: Placement):
    book = racks(a_book_with(**({"n1": 8, "n2": 8, "n3": 8, "n4": 8, "n5": 8} | free)), **ACROSS)
    assert place(book, Total(gpus=gpus), 0, 100) == want


def test_what_a_training_total_lost_is_near_what_it_keeps():
    book = racks(a_book_with(n1=8, n2=8, n3=8, n4=8, n5=8), **ACROSS)
    assert kept(book, Total(gpus=16), a_placement(n4=8, gone=8), 0, 100) == a_placement(n2=8, n4=8)
    assert kept(book, Total(gpus=16), a_placement(n5=8, gone=8), 0, 100) == a_placement(n3=8, n5=8)


def test_a_share_goes_where_it_strands_least():
    """Where 8 GPUs on a node are asked for often, what is left of a node that is broken already strands least."""
    book = replace(a_book_with(n1=8, n2=6), stranded=np.array([0, 1, 2, 3, 4, 5, 6, 7, 0]))
    assert place(book, Total(gpus=2), 0, 100) == a_placement(n2=2)


def test_windows_that_end_together_are_kept_together():
    ends = [a_lease("a", state=State.ACTIVE, starts_at=0, duration_s=60, n1=4)]
    ends.append(a_lease("b", state=State.ACTIVE, starts_at=0, duration_s=100, n2=4))
    book = Book.of(a_policy(gap_s=0), [a_node("n1"), a_node("n2")], ends)
    assert place(book, Total(gpus=4), 0, 100) == a_placement(n2=4)
    assert place(book, Total(gpus=4), 0, 60) == a_placement(n1=4)


def test_what_is_moved_keeps_the_shares_that_it_can():
    book = a_book_with(n1=8, n2=0, n3=8, n4=8)
    shape = Gang(nodes=3, gpus_per_node=4)
    assert kept(book, shape, a_placement(n1=4, n2=4, n4=4), 0, 100) == a_placement(n1=4, n3=4, n4=4)
    assert kept(book, Gang(nodes=4, gpus_per_node=4), a_placement(n1=4, n2=4, n3=4, n4=4), 0, 100) is None


def test_a_training_gang_in_a_rack_takes_the_fewest_of_its_islands():
    islands = {"n1": "r1/a", "n2": "r1/b", "n3": "r1/a", "n4": "r1/b", "n5": "r1/c"}
    book = racks(a_book_with(n1=8, n2=8, n3=8, n4=8, n5=8), **islands)
    assert place(book, Gang(nodes=4, gpus_per_node=8), 0, 100) == a_placement(n1=8, n2=8, n3=8, n4=8)
    assert place(book, Gang(nodes=3, gpus_per_node=8), 0, 100) == a_placement(n1=8, n3=8, n5=8)


BESIDE = {"n1": "r2/a", "n2": "r1/a", "n3": "r1/a", "n4": "r1/b"}


@pytest.mark.parametrize(
    ("free", "spare"),
    [
        pytest.param({"n1": 8, "n2": 8, "n3": 8, "n4": 8}, "n3", id="on the same island"),
        pytest.param({"n1": 8, "n2": 8, "n3": 0, "n4": 8}, "n4", id="else in the same rack"),
        pytest.param({"n1": 8, "n2": 8, "n3": 0, "n4": 0}, "n1", id="else anywhere"),
    ],
)
def test_a_training_gang_gets_spares_near_the_nodes_that_it_keeps(free: dict[str, int], spare: str):
    book = racks(a_book_with(**free), **BESIDE)
    found = kept(book, Gang(nodes=2, gpus_per_node=8), a_placement(n2=8, gone=8), 0, 100)
    assert found == a_placement(**{"n2": 8, spare: 8})


def test_an_inference_gang_gets_spares_away_from_the_nodes_that_it_keeps():
    book = racks(a_book_with(n1=8, n2=8, n3=8, n4=8), **BESIDE)
    found = kept(book, Gang(nodes=2, gpus_per_node=8), a_placement(n2=8, gone=8), 0, 100, Purpose.INFERENCE)
    assert found == a_placement(n1=8, n2=8)


def test_what_an_inference_total_lost_is_spread_again():
    book = a_book_with(n1=7, n2=7, n3=8, n4=8)
    found = kept(book, Total(gpus=4), a_placement(n1=1, n2=1, gone=2), 0, 100, Purpose.INFERENCE)
    assert found == a_placement(n1=1, n2=1, n3=1, n4=1)
