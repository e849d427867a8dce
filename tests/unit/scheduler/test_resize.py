"""Leases that get another size: which GPUs they keep, and where there is room for more."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.core.book import Book
from scheduler.core.model import CompanyId, Gang, Instant, Lease, LeaseId, Node, NodeId, Purpose, State, Total
from scheduler.core.resize import NotResized, Resized, grow, short, shrink
from tests.builders import GAP_S, a_book, a_lease, a_placement, a_policy

NOW = Instant(50)
MINE = LeaseId("lea_mine")


def serving(**placement: Any) -> Lease:
    lease = a_lease(MINE, state=State.ACTIVE, starts_at=0, duration_s=200, **placement)
    return replace(lease, purpose=Purpose.INFERENCE)


def grown(book: Book, size: int, **ready: int) -> Resized | NotResized:
    return grow(book, MINE, size, NOW, {NodeId(node): gpus for node, gpus in ready.items()})


def test_what_a_running_lease_gives_back_is_blocked_for_the_gap() -> None:
    found = shrink(a_book(serving(n1=6)), MINE, 4, NOW)
    assert (found.lease.placement, found.changed) == (a_placement(n1=4), a_placement(n1=2))
    free = found.book.free.steps(found.book.rows[NodeId("n1")])
    assert [free.at(at) for at in (NOW, NOW + GAP_S - 1, NOW + GAP_S, 205, 210)] == [2, 2, 4, 4, 8]
    assert found.book.held(CompanyId("acme")).at(NOW) == 4


def test_what_a_scheduled_lease_gives_back_is_free_at_once() -> None:
    found = shrink(a_book(a_lease(MINE, starts_at=100, n1=6)), MINE, 4, NOW)
    assert found.cleaned is None
    assert found.book.free.at(found.book.rows[NodeId("n1")], 100) == 4


def test_two_give_backs_in_one_second_are_both_blocked() -> None:
    first = shrink(a_book(serving(n1=6)), MINE, 5, NOW)
    second = shrink(first.book, MINE, 2, NOW)
    assert second.book.free.at(0, NOW) == 2
    assert second.book.free.at(0, NOW + GAP_S) == 6


@pytest.mark.parametrize(
    ("purpose", "want"), [(Purpose.TRAINING, {"n1": 6}), (Purpose.INFERENCE, {"n1": 2, "n2": 2, "n3": 2})]
)
def test_training_stays_on_few_nodes_and_inference_stays_spread(purpose: Purpose, want: dict[str, int]) -> None:
    lease = replace(serving(n1=6, n2=3, n3=2), purpose=purpose)
    assert shrink(a_book(lease, nodes=3), MINE, 6, NOW).lease.placement == a_placement(**want)


@pytest.mark.parametrize(("purpose", "want"), [(Purpose.TRAINING, ("n1", "n2")), (Purpose.INFERENCE, ("n1", "n3"))])
def test_a_gang_keeps_the_nodes_that_suit_its_purpose(purpose: Purpose, want: tuple[str, ...]) -> None:
    islands = {"n1": "a", "n2": "a", "n3": "b"}
    nodes = [Node(id=NodeId(node), capacity=8, nominal=8, island=island) for node, island in islands.items()]
    lease = replace(serving(n1=4, n2=4, n3=4), shape=Gang(nodes=3, gpus_per_node=4), purpose=purpose)
    found = shrink(Book.of(a_policy(), nodes, [lease], {}), MINE, 2, NOW)
    assert tuple(node for node, _ in found.lease.placement) == want
    assert found.lease.shape == Gang(nodes=2, gpus_per_node=4)


def test_a_running_lease_grows_beside_what_is_promised_and_nobody_moves() -> None:
    promised = a_lease("lea_1", company="bolt", starts_at=150, n1=3)
    book = a_book(serving(n1=4), promised)
    found = grown(book, 5)
    assert isinstance(found, Resized)
    assert (found.lease.placement, found.lease.shape, found.changed) == (
        a_placement(n1=5),
        Total(gpus=5),
        a_placement(n1=1),
    )
    assert found.book.leases[promised.id] == promised
    assert grown(book, 6) == NotResized(obstacle="capacity", largest=5)


def test_what_a_node_cannot_give_at_this_moment_is_not_counted_on() -> None:
    book = a_book(serving(n1=4), nodes=2)
    assert grown(book, 9, n1=1, n2=3) == NotResized(obstacle="capacity", largest=8)
    found = grown(book, 8, n1=1, n2=3)
    assert isinstance(found, Resized)
    assert found.changed == a_placement(n1=1, n2=3)
    assert short(book, book.leases[MINE], {NodeId("n1"): 4, NodeId("n2"): 5}, NOW) == {"n2": 5}


def test_a_gang_grows_on_nodes_that_it_does_not_have() -> None:
    lease = replace(serving(n1=4), shape=Gang(nodes=1, gpus_per_node=4))
    book = a_book(lease, nodes=3)
    found = grown(book, 2)
    assert isinstance(found, Resized)
    assert [gpus for _, gpus in found.lease.placement] == [4, 4]
    assert found.lease.shape == Gang(nodes=2, gpus_per_node=4)
    assert grown(book, 4) == NotResized(obstacle="capacity", largest=3)


def test_growing_stays_in_the_quota_until_the_end() -> None:
    own = a_lease("lea_1", starts_at=190, n2=4)
    assert grown(a_book(serving(n1=4), own, nodes=2, quota=10), 7) == NotResized(obstacle="quota", largest=6)
    assert isinstance(grown(a_book(serving(n1=4), own, nodes=2, quota=10), 6), Resized)


def test_a_scheduled_lease_grows_at_its_own_start_on_any_nodes() -> None:
    lease = a_lease(MINE, starts_at=100, n1=4)
    other = a_lease("lea_1", company="bolt", starts_at=150, n1=4)
    found = grown(a_book(lease, other, nodes=2), 9)
    assert isinstance(found, Resized)
    assert (found.lease.starts_at, found.lease.promised_start) == (100, 100)
    assert sum(gpus for _, gpus in found.lease.placement) == 9
    assert found.book.leases[other.id] == other
    assert grown(a_book(lease, other, nodes=2, quota=32), 13) == NotResized(obstacle="capacity", largest=12)
