"""Where shares go, for random books and random mixes: as the readable reference says, and as DESIGN says in words."""

from dataclasses import replace

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from scheduler.core.book import Book
from scheduler.core.fragmentation import Mix, forecast
from scheduler.core.model import Gang, Lease, Placement, Purpose, State, Total
from scheduler.core.placement import place
from tests.builders import a_lease, a_node, a_placement, a_policy
from tests.effort import examples
from tests.reference.placement import Choice, spread

END = 60
LARGEST = 8

capacities = st.lists(st.sampled_from([2, 4, 6, 8, 8, 8]), min_size=1, max_size=6)
bookings = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, END), st.integers(1, 30), st.integers(1, 8)), max_size=16
)
mixes = st.dictionaries(st.integers(1, LARGEST), st.integers(1, 2000), max_size=5).map(
    lambda found: Mix(weights=tuple(sorted(found.items())))
)
shares = st.integers(1, LARGEST)
boxes = st.tuples(st.integers(0, END), st.integers(1, 30)).map(lambda box: (box[0], box[0] + box[1]))


def a_book(capacities: list[int], booked: list[tuple[int, int, int, int]], mix: Mix) -> Book:
    """Nodes n0, n1, ... with as many of the bookings as fit."""
    nodes = [a_node(f"n{k}", gpus) for k, gpus in enumerate(capacities)]
    book = Book.of(a_policy(gap_s=0), nodes, mix=mix)
    for k, (row, start, length, gpus) in enumerate(booked):
        if row < len(capacities) and book.free.least(row, start, start + length) >= gpus:
            book = book.put_lease(a_booking(k, row, start, length, gpus))
    return book


def a_booking(k: int, row: int, start: int, length: int, gpus: int) -> Lease:
    placed = a_placement(**{f"n{row}": gpus})
    booked = a_lease(f"lea_{k}", state=State.ACTIVE, starts_at=start, duration_s=length)
    return replace(booked, shape=Total(gpus=gpus), placement=placed)


def one(book: Book, gpus: int, box: tuple[int, int]) -> Placement | None:
    try:
        return place(book, Gang(nodes=1, gpus_per_node=gpus), *box)
    except ValueError:
        return None


@settings(max_examples=examples(1000), deadline=None)
@given(capacities, bookings, mixes, shares, boxes)
def test_a_share_goes_where_the_reference_puts_it(
    capacities: list[int],
    booked: list[tuple[int, int, int, int]],
    mix: Mix,
    gpus: int,
    box: tuple[int, int],
):
    book = a_book(capacities, booked, mix)
    largest = max(capacities)
    free = [book.free.steps(row) for row in range(len(capacities))]
    want = Choice(free=free, asked=dict(forecast(mix, largest).weights)).best(gpus, *box)
    event("none" if want is None else "placed")
    assert one(book, gpus, box) == (None if want is None else ((f"n{want}", gpus),))
    if want is not None:
        assert place(book, Total(gpus=gpus), *box) == ((f"n{want}", gpus),)


@settings(max_examples=examples(500), deadline=None)
@given(capacities, bookings, mixes, boxes, st.data())
def test_a_share_never_breaks_a_node_while_another_holds_just_that_much(
    capacities: list[int],
    booked: list[tuple[int, int, int, int]],
    mix: Mix,
    box: tuple[int, int],
    data: st.DataObject,
):
    """So shapes of a whole node go on whole nodes of their size, however large the others are and whatever is asked for."""
    book = a_book(capacities, booked, mix)
    has = {f"n{row}": book.free.least(row, *box) for row in range(len(capacities))}
    gpus = data.draw(st.sampled_from(sorted(has.values())))
    found = one(book, gpus, box) if gpus > 0 else None
    if found is not None:
        [(node, _)] = found
        assert has[node] == gpus


@settings(max_examples=examples(500), deadline=None)
@given(st.integers(1, 4), st.integers(1, 20), mixes)
def test_a_total_larger_than_a_node_takes_whole_nodes_and_breaks_one_at_most(nodes: int, gpus: int, mix: Mix):
    book = a_book([LARGEST] * 4, [], mix)
    gpus = min(gpus, LARGEST * nodes)
    placed = dict(place(book, Total(gpus=gpus), 0, END))
    assert sorted(placed.values())[1:] == [LARGEST] * (len(placed) - 1)
    assert len(placed) == -(-gpus // LARGEST)


@settings(max_examples=examples(500), deadline=None)
@given(st.lists(st.integers(1, END), min_size=2, max_size=6), st.integers(1, 8), shares, mixes, st.integers(1, END))
def test_among_nodes_that_are_equally_full_the_one_whose_window_ends_nearest_is_taken(
    ends: list[int], taken: int, gpus: int, mix: Mix, end: int
):
    """Each node has one lease of the same size from 0 on."""
    book = a_book([LARGEST] * len(ends), [(row, 0, length, taken) for row, length in enumerate(ends)], mix)
    assume(gpus <= LARGEST - taken)
    found = one(book, gpus, (0, end))
    assert found is not None
    chosen = int(found[0][0][1:])
    assert abs(ends[chosen] - end) == min(abs(each - end) for each in ends)


domains = st.lists(st.tuples(st.sampled_from("rs"), st.sampled_from("ab")), min_size=6, max_size=6)


def a_labelled_book(capacities: list[int], labels: list[tuple[str, str]]) -> Book:
    book = a_book(capacities, [], Mix(weights=()))
    return book.changed(
        replace(node, rack=rack, island=island)
        for node, (rack, island) in zip(book.nodes.values(), labels, strict=False)
    )


def counted(book: Book, placement: Placement, *, islands: bool) -> dict[tuple[str, str], int]:
    """GPUs of the placement by rack, or by island."""
    found: dict[tuple[str, str], int] = {}
    for node, gpus in placement:
        where = book.nodes[node]
        key = (where.rack, where.island if islands else "")
        found[key] = found.get(key, 0) + gpus
    return found


@settings(max_examples=examples(500), deadline=None)
@given(capacities, domains, st.integers(1, 40))
def test_a_total_for_inference_takes_one_gpu_after_the_other_as_the_reference_does(
    capacities: list[int], labels: list[tuple[str, str]], gpus: int
):
    gpus = min(gpus, sum(capacities))
    want = spread(list(zip(labels, capacities, strict=False)), gpus)
    placed = place(a_labelled_book(capacities, labels), Total(gpus=gpus), 0, END, Purpose.INFERENCE)
    assert {int(node[1:]): share for node, share in placed} == want


@settings(max_examples=examples(500), deadline=None)
@given(capacities, domains, st.integers(1, 40))
def test_a_total_for_training_is_on_the_fewest_nodes_and_on_one_domain_if_one_holds_it_on_as_few(
    capacities: list[int], labels: list[tuple[str, str]], gpus: int
):
    gpus = min(gpus, sum(capacities))
    book = a_labelled_book(capacities, labels)
    placed = place(book, Total(gpus=gpus), 0, END)
    assert sum(share for _, share in placed) == gpus
    fewest = next(count for count in range(1, 7) if sum(sorted(capacities)[-count:]) >= gpus)
    assert len(placed) == fewest
    for islands in (True, False):
        there: dict[tuple[str, str], list[int]] = {}
        for (rack, island), has in zip(labels, capacities, strict=False):
            there.setdefault((rack, island if islands else ""), []).append(has)
        if any(sum(sorted(has)[-fewest:]) >= gpus for has in there.values()):
            event(f"one domain, islands {islands}")
            assert len(counted(book, placed, islands=islands)) == 1
