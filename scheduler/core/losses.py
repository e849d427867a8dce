"""What a lease that was moved has lost: which of the nodes that it had, and to which drain, if to one."""

from dataclasses import dataclass

from scheduler.core.ahead import first
from scheduler.core.book import Book
from scheduler.core.model import Cause, Drain, Instant, Lease, NodeId
from scheduler.core.repair import drains_over
from scheduler.core.replan import Move


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """The first node that it lost. `gpus` is how many that has less than it could, 0 where it is drained or not there."""

    node: NodeId
    drain: Drain | None = None
    gpus: int = 0


def loss(book: Book, move: Move, now: Instant) -> Loss | None:
    """By the book that the move was decided from; None for a move that no loss caused, or where nothing is known of one."""
    if move.cause is Cause.DRAIN:
        return _drained(book, move.before, now)
    if move.cause is Cause.CAPACITY_LOST:
        return _short(book, move.before)
    return None


def _drained(book: Book, lease: Lease, now: Instant) -> Loss | None:
    """The drain that begins first of those over the box and its gap."""
    drain = first(drains_over(book, lease, now))
    return None if drain is None else Loss(node=drain.node, drain=drain)


def _short(book: Book, lease: Lease) -> Loss | None:
    """The first of its nodes that is not there or has fewer GPUs than it could; else the first that is not open."""
    known = [(node, book.nodes.get(node)) for node, _ in lease.placement]
    for name, node in known:
        if node is None:
            return Loss(node=name)
        if node.capacity < node.nominal:
            return Loss(node=name, gpus=node.nominal - node.capacity)
    return next((Loss(node=name) for name, node in known if node is not None and not node.open), None)
