"""The sweep that answers "when does it first fit": many ranges of possible starts, and the first instant enough share.

Works on bare integers and tuples, so that it can be compiled later behind the same calls. Knows no nodes and no shapes.
"""

from collections.abc import Iterable, Sequence

from scheduler.core.steps import ranges

Profile = tuple[tuple[int, ...], tuple[int, ...]]
"""The times and values of a step function."""

Layer = tuple[Profile, int, int]
"""A profile, the level asked of it, and how much each of its starts counts."""


def edges(layers: Iterable[Layer], length: int, lo: int, hi: int) -> dict[int, int]:
    """By how much the count of possible starts changes at which instant, for starts in `[lo, hi]`."""
    changes: dict[int, int] = {}
    for (times, values), level, weight in layers:
        for begin, last in ranges(times, values, level, length, lo, hi):
            changes[begin] = changes.get(begin, 0) + weight
            changes[last + 1] = changes.get(last + 1, 0) - weight
    return changes


def first(changes: dict[int, int], needed: int, allowed: Sequence[tuple[int, int]]) -> int | None:
    """The first instant at which the count is at least `needed` (1 or more), inside one of the `allowed` ranges."""
    count = 0
    window = 0
    instants = sorted(changes)
    for k, instant in enumerate(instants):
        count += changes[instant]
        if count < needed:
            continue
        while allowed[window][1] < instant:
            window += 1
            if window == len(allowed):
                return None
        begin = max(instant, allowed[window][0])
        if begin < instants[k + 1]:
            return begin
    return None
