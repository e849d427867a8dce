"""Which node a lease that was moved has lost, and to what."""

from dataclasses import replace

import pytest

from scheduler.core.book import Book
from scheduler.core.losses import Loss, loss
from scheduler.core.model import Cause, Drain, Instant, Lease, NodeId
from scheduler.core.replan import Move
from tests.builders import a_lease, a_node, a_policy

NOW = Instant(500)
LEASE = a_lease(starts_at=1000, duration_s=100, n1=4, n2=4)


def a_pool(*changed: object, gap_s: int = 10) -> Book:
    book = Book.of(a_policy(gap_s=gap_s), [a_node("n1"), a_node("n2"), a_node("n3")], [LEASE])
    return book.changed(changed)  # pyright: ignore[reportArgumentType]


def a_drain(node: str, start: int, end: int, id: str = "d") -> Drain:
    return Drain(id=id, node=NodeId(node), starts_at=Instant(start), ends_at=Instant(end))


def lost(book: Book, cause: Cause, lease: Lease = LEASE) -> Loss | None:
    return loss(book, Move(before=lease, after=replace(lease, starts_at=Instant(2000)), cause=cause), NOW)


@pytest.mark.parametrize(
    ("drains", "want"),
    [
        pytest.param([a_drain("n2", 1050, 1060)], "n2", id="a drain in its box"),
        pytest.param([a_drain("n2", 1105, 1200)], "n2", id="in its gap"),
        pytest.param([a_drain("n1", 1110, 1200)], None, id="not after that"),
        pytest.param([a_drain("n1", 900, 1000)], None, id="not before it"),
        pytest.param([a_drain("n3", 0, 5000)], None, id="not of another node"),
        pytest.param([a_drain("n1", 1050, 1060, "e"), a_drain("n2", 1040, 1060)], "n2", id="the first to begin"),
    ],
)
def test_the_drain_of_a_node_that_it_had(drains: list[Drain], want: str | None):
    found = lost(a_pool(*drains), Cause.DRAIN)
    assert (found and found.node) == want
    assert found is None or found.drain in drains


def test_a_node_that_has_fewer_gpus_is_named_before_one_that_is_only_closed():
    closed, fewer = a_node("n1", open=False), a_node("n2", 5, nominal=8)
    assert lost(a_pool(closed, fewer), Cause.CAPACITY_LOST) == Loss(node=NodeId("n2"), gpus=3)


@pytest.mark.parametrize(
    ("node", "want"),
    [
        pytest.param(a_node("n2", open=False), Loss(node=NodeId("n2")), id="one that is closed"),
        pytest.param(a_node("n2", 5, nominal=8), Loss(node=NodeId("n2"), gpus=3), id="one that has fewer GPUs"),
        pytest.param(a_node("n3", 5, nominal=8), None, id="not another node"),
    ],
)
def test_the_node_of_it_that_cannot_give_what_it_could(node: object, want: Loss | None):
    assert lost(a_pool(node), Cause.CAPACITY_LOST) == want


def test_a_node_that_is_not_there_any_more_is_lost():
    assert lost(a_pool(), Cause.CAPACITY_LOST, a_lease(starts_at=1000, gone=8)) == Loss(node=NodeId("gone"))


def test_nothing_is_lost_by_a_move_for_anothers_sake():
    assert lost(a_pool(a_drain("n1", 0, 5000)), Cause.MADE_WAY) is None
