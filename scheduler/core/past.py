"""A stretch of a pool's history as values: how it began, and step by step what was decided and what happened."""

from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.core import outcomes
from scheduler.core.book import Book
from scheduler.core.codec import Item
from scheduler.core.model import Instant, LeaseId


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Asks that were decided together; `result` is what was decided, as `core.outcomes` writes it."""

    decision: str
    now: Instant
    asks: outcomes.Asks
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan that changed something; `queue` is who waited, in the order in which they were served."""

    decision: str
    now: Instant
    queue: tuple[LeaseId, ...]
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something changed in the book that was not decided: a start, an end, a release, a cancel, a node, a quota."""

    now: Instant
    item: Item


Step = Asked | Planned | Happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A stretch of history: the book and the queue as it begins, and what happened then, in order."""

    book: Book
    queue: outcomes.Queue
    steps: Sequence[Step]
    since: Instant
    until: Instant
