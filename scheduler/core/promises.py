"""Whether promises are kept: which came due, which of them were broken, and what slips and moves there were.

A promise that slips is broken there and then, and the later one that is given for it is another. What is spot is promised nothing.
"""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from scheduler.core.model import Cause, State
from scheduler.core.replan import Move

LATE_S = 1.0
"""A start that is later than its promise by more than this broke it."""


class Happened(StrEnum):
    """What is counted."""

    DUE = "due"
    BROKEN = "broken"
    NEVER = "never_started"
    SLIPPED = "slipped"
    MOVED = "moved"

    @property
    def has_cause(self) -> bool:
        """Whether it is counted by its cause."""
        return self in (Happened.SLIPPED, Happened.MOVED)


Counts = Counter[tuple[Happened, Cause | None]]


def of_start(late_s: float, *, never: bool, spot: bool) -> Counts:
    """A start that was had so many seconds late, or whose whole box had passed."""
    found: Counts = Counter([(Happened.NEVER, None)] if never else [])
    return found if spot else found + _due(kept=not never and late_s <= LATE_S)


def of_withdrawal(late_s: float, *, spot: bool) -> Counts:
    """A promise that is taken back so many seconds after its start: what nobody came to have any more had been broken."""
    return Counter() if spot or late_s <= LATE_S else _due(kept=False)


def of_moves(moves: Iterable[Move]) -> Counts:
    """Leases that were given another slot or none. Spot that is told to stop earlier keeps its slot till then."""
    return all_of(map(_of_move, moves))


def all_of(counts: Iterable[Counts]) -> Counts:
    """Their sum."""
    found: Counts = Counter()
    for one in counts:
        found.update(one)
    return found


def _of_move(move: Move) -> Counts:
    stays = move.after.is_spot and move.after.state is not State.QUEUED
    moved: Counts = Counter([] if stays else [(Happened.MOVED, move.cause)])
    return moved + Counter([(Happened.SLIPPED, move.cause)]) + _due(kept=False) if move.breaks_promise else moved


def _due(*, kept: bool) -> Counts:
    return Counter([(Happened.DUE, None)] if kept else [(Happened.DUE, None), (Happened.BROKEN, None)])
