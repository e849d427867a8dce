"""A start that is blocked: spare nodes at the same start if there are any, and another slot once it has waited too long.

What nodes have is not in the book alone: which of their GPUs can be given just now is looked up by the caller.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from scheduler.core import preemption
from scheduler.core.book import Book, Draft
from scheduler.core.decide import moves
from scheduler.core.lease import advance
from scheduler.core.model import Cause, Instant, Lease, NodeId, Placement, State
from scheduler.core.repair import later
from scheduler.core.spares import elsewhere

SPARES_TRIED = 3
"""How many placements are tried for a start that is blocked: the calendar may know less than the newest report."""

Given = Callable[[frozenset[NodeId]], Mapping[NodeId, int]]
"""How many GPUs each of these nodes can give now."""


def spare(book: Book, lease: Lease, given: Given, now: Instant) -> Lease | None:
    """The lease on nodes that can give it GPUs now, beside everybody else's slots; None if there are none."""
    draft = Draft(book)
    draft.lift(lease.id)
    for _ in range(SPARES_TRIED):
        _close_short(draft, lease.placement, given)
        found = elsewhere(draft, lease, now)
        if found is None:
            return None
        has = given(frozenset(node for node, _ in found.placement))
        if all(has[node] >= wanted for node, wanted in found.placement):
            return found
        lease = replace(lease, placement=found.placement)
    return None


def _close_short(draft: Draft, placement: Placement, given: Given) -> None:
    """Nodes that cannot give what was wanted of them now are passed over."""
    has = given(frozenset(node for node, _ in placement))
    for node, wanted in placement:
        if node in draft.nodes and has[node] < wanted:
            draft.put_node(replace(draft.nodes[node], open=False))


def slip(book: Book, lease: Lease, begin: Instant) -> tuple[Lease, tuple[tuple[Lease, Lease], ...]]:
    """The lease at the earliest start from `begin` on, its promise with it, and the spot leases that are cut for it: before,
    after. It is in the queue again where there is none, and always if it is spot, which is promised nothing for later.
    """
    draft = preemption.opened(Draft(book), begin)
    draft.lift(lease.id)
    moved = None if lease.is_spot else later(draft, lease, begin)
    if moved is None:
        return advance(lease, State.QUEUED, Cause.CAPACITY_LOST, begin), ()
    draft.put(moved)
    preemption.settle(draft)
    return moved, tuple(pair for pair in moves(book, draft) if pair[0].id != lease.id)
