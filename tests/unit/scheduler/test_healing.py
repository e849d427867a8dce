"""Spares for leases that run and lost GPUs: which they get, what they give back, and when there are none."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.core.book import Book
from scheduler.core.healing import Healed, heal
from scheduler.core.model import Gang, Instant, Lease, LeaseId, Node, NodeId, Purpose, State
from tests.builders import GAP_S, a_book, a_lease, a_placement, a_policy

NOW = Instant(50)
MINE = LeaseId("lea_mine")
END = 200


def running(**placement: Any) -> Lease:
    return a_lease(MINE, state=State.ACTIVE, starts_at=0, duration_s=END, **placement)


def gang(nodes: int, gpus: int, **placement: Any) -> Lease:
    return replace(running(**placement), shape=Gang(nodes=nodes, gpus_per_node=gpus))


def without(book: Book, **lost: int) -> Book:
    """Nodes whose reports show so many GPUs less."""
    return book.changed(
        [replace(book.nodes[NodeId(node)], capacity=8 - gpus, lost_at=Instant(40)) for node, gpus in lost.items()]
    )


def healed(book: Book, ready: dict[str, int] | None = None, now: int = NOW, **lost: int) -> Healed | None:
    given = {NodeId(node): gpus for node, gpus in (ready or {}).items()}
    return heal(without(book, **lost), MINE, {NodeId(node): gpus for node, gpus in lost.items()}, Instant(now), given)


def test_a_gpu_of_the_same_node_comes_first() -> None:
    found = healed(a_book(running(n1=4), nodes=2), n1=1)
    assert found is not None
    assert found.lease.placement == a_placement(n1=4)
    assert (found.given_back, found.added) == (a_placement(n1=1), a_placement(n1=1))


def test_what_a_total_lost_is_replaced_elsewhere_and_the_rest_of_it_stays() -> None:
    found = healed(a_book(running(n1=8), nodes=2), n1=2)
    assert found is not None
    assert found.lease.placement == a_placement(n1=6, n2=2)
    assert (found.given_back, found.added) == (a_placement(n1=2), a_placement(n2=2))
    assert found.lease.shape == running(n1=8).shape
    assert found.lease.history == ()


def test_a_total_gets_as_many_spares_as_there_are() -> None:
    other = a_lease("lea_1", company="bolt", state=State.ACTIVE, starts_at=0, duration_s=400, n2=7)
    found = healed(a_book(running(n1=8), other, nodes=2), n1=3)
    assert found is not None
    assert found.lease.placement == a_placement(n1=7, n2=1)


def test_a_gang_gets_another_node_for_the_one_that_it_cannot_be_whole_on() -> None:
    found = healed(a_book(gang(2, 8, n1=8, n2=8), nodes=3), n2=1)
    assert found is not None
    assert found.lease.placement == a_placement(n1=8, n3=8)
    assert (found.given_back, found.added) == (a_placement(n2=8), a_placement(n3=8))


def test_a_gang_stays_on_a_node_that_has_another_gpu_for_it() -> None:
    found = healed(a_book(gang(2, 4, n1=4, n2=4), nodes=3), n2=1)
    assert found is not None
    assert found.lease.placement == a_placement(n1=4, n2=4)
    assert found.given_back == a_placement(n2=1)


def test_a_gang_that_cannot_be_made_whole_keeps_what_it_has() -> None:
    assert healed(a_book(gang(2, 8, n1=8, n2=8), nodes=3), n1=1, n2=1) is None
    other = a_lease("lea_1", starts_at=60, n3=4)
    assert healed(a_book(gang(3, 4, n1=4, n2=4, n3=4), other, nodes=3), n1=1, n3=1) is None


def test_a_gang_goes_near_the_nodes_on_which_it_stays() -> None:
    islands = {"n1": "b", "n2": "b", "n3": "a", "n4": "b"}
    nodes = [Node(id=NodeId(node), capacity=8, nominal=8, island=island) for node, island in islands.items()]
    found = healed(Book.of(a_policy(), nodes, [gang(2, 8, n1=8, n2=8)], {}), n2=1)
    assert found is not None
    assert found.lease.placement == a_placement(n1=8, n4=8)


def test_inference_goes_where_it_has_least() -> None:
    lease = replace(running(n1=8, n2=2), purpose=Purpose.INFERENCE)
    found = healed(a_book(lease, nodes=3), n1=1)
    assert found is not None
    assert found.lease.placement == a_placement(n1=7, n2=2, n3=1)


def test_what_is_promised_to_others_is_no_spare() -> None:
    promised = a_lease("lea_1", company="bolt", starts_at=150, duration_s=100, n2=8)
    assert healed(a_book(running(n1=8), promised, nodes=2), n1=1) is None
    after = replace(promised, starts_at=Instant(END + GAP_S), ends_at=Instant(400), stops_at=Instant(400))
    assert healed(a_book(running(n1=8), after, nodes=2), n1=1) is not None


def test_what_a_node_cannot_give_at_this_moment_is_no_spare() -> None:
    book = a_book(running(n1=8), nodes=3)
    found = healed(book, {"n2": 0, "n3": 1}, n1=2)
    assert found is not None
    assert found.lease.placement == a_placement(n1=7, n3=1)
    assert healed(book, {"n2": 0, "n3": 0}, n1=2) is None


def test_a_node_that_is_closed_has_no_spare() -> None:
    book = a_book(running(n1=8), nodes=2)
    assert healed(book.changed([replace(book.nodes[NodeId("n2")], open=False)]), n1=1) is None


def test_what_it_gives_back_is_blocked_for_the_gap_and_then_free() -> None:
    found = healed(a_book(gang(1, 8, n1=8), nodes=2), n1=1)
    assert found is not None
    free = found.book.free.steps(found.book.rows[NodeId("n1")])
    assert [free.at(at) for at in (NOW, NOW + GAP_S - 1, NOW + GAP_S)] == [-1, -1, 7]
    taken = found.book.free.steps(found.book.rows[NodeId("n2")])
    assert [taken.at(at) for at in (NOW, END + GAP_S - 1, END + GAP_S)] == [0, 0, 8]
    assert found.cleaned.placement == a_placement(n1=8)


def test_nothing_lost_is_nothing_healed() -> None:
    book = a_book(running(n1=8), nodes=2)
    assert healed(book) is None
    assert heal(book, MINE, {NodeId("n2"): 1}, NOW) is None


@pytest.mark.parametrize("now", [END - GAP_S, END, END + 1])
def test_what_is_about_to_end_is_left_alone(now: int) -> None:
    assert healed(a_book(running(n1=8), nodes=2), now=now, n1=1) is None


def test_what_it_gave_back_in_the_same_second_stays_blocked() -> None:
    first = healed(a_book(running(n1=8), nodes=3), n1=1)
    assert first is not None
    second = heal(first.book, MINE, {NodeId("n1"): 2}, NOW)
    assert second is not None
    assert second.cleaned.placement == a_placement(n1=3)
