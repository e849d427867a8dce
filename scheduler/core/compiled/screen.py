"""Which of the waiting might start earlier than their slot: a look at all of them that lifts nothing out.

A waiting row's own booking begins at its slot, so before the slot the calendar is as if it were lifted, and from there
on its own node has room for it: whether it fits from `c` on is seen without lifting it, but for gangs on many nodes and
totals, of which a few are let through that do not fit after all. Who is let through is lifted and tried by the caller.
"""

# numba ships no types, and compiles these functions for the types that they are called with.
# pyright: basic, reportMissingParameterType=false, reportMissingTypeStubs=false

import numpy as np

from scheduler.core.compiled.compiling import compiled
from scheduler.core.compiled.rows import END, holds, last_at
from scheduler.core.compiled.search import total_at

SLOT, EARLIEST, NOTICE, LENGTH, DURATION, NODES, LEVEL, GPUS, LIMIT, RESERVE, AHEAD, ASKED, OWN = range(13)
"""The columns of a waiting row. NODES is 0 for a total; LIMIT, RESERVE and AHEAD are rows of the limits, or -1; OWN is the
one node of its placement, or -1."""

COLUMNS = 13


FOR_EVER = np.int64(1 << 60)

NO_LIMIT = -1

_LEVELS = 64
"""Of a gang that wants more on a node, each look goes through all nodes: few pools have such nodes, and these few."""

_STARTS = 4
"""As many different starts are kept at hand, one for each notice; for more, each look goes through all nodes."""


@compiled
def _lasting(times, values, extents, open_, level, start, found):
    """Writes until when each row has the level from `start` on, 0 for one that has not or is closed."""
    for row in range(len(extents)):
        found[row] = 0
        if not open_[row]:
            continue
        k = last_at(times, extents, row, start)
        if values[k] < level:
            continue
        k += 1
        while k < extents[row, END] and values[k] >= level:
            k += 1
        found[row] = times[k] if k < extents[row, END] else FOR_EVER


@compiled
def _may(lasting, ranked, waiting, i, start):
    """Whether the gang `i` may fit from `start` on, by until when each row has its level, and the same ranked."""
    end = start + waiting[i, LENGTH]
    until_slot = min(end, waiting[i, SLOT])
    least = ranked[ranked.size - waiting[i, NODES]]
    if least >= end:
        return True
    if waiting[i, OWN] == -1:
        return least >= until_slot
    return lasting[waiting[i, OWN]] >= until_slot


@compiled
def _allowed(limits, waiting, i, start, soon):
    """Whether the limits of row `i` leave room from `start` until its slot; from there on its own booking is its room."""
    until = min(waiting[i, SLOT], start + waiting[i, DURATION])
    for column in (LIMIT, RESERVE, AHEAD):
        row = NO_LIMIT if column == AHEAD and start <= soon else waiting[i, column]
        if row >= 0 and not holds(limits[0], limits[1], limits[2], row, waiting[i, GPUS], start, until):
            return False
    return True


@compiled
def next_to_try(rows, open_, limits, waiting, turn, begin, now, soon):
    """The first place in `turn`, from `begin` on, whose waiting row may start before its slot; its length if none may.

    A start up to `soon` is not held to the limit AHEAD.
    """
    times, values, extents = rows
    count = len(extents)
    starts = np.empty(_STARTS, np.int64)
    known = np.zeros((_STARTS, _LEVELS), np.bool_)
    kept = np.empty((_STARTS, _LEVELS, 2, count), np.int64)
    many = 0
    one = np.empty(count, np.int64)
    for place in range(begin, turn.size):
        i = turn[place]
        start = max(now + waiting[i, NOTICE], waiting[i, EARLIEST])
        if start >= waiting[i, SLOT]:
            continue
        nodes, level = waiting[i, NODES], waiting[i, LEVEL]
        if nodes == 0:
            until = min(waiting[i, SLOT], start + waiting[i, LENGTH])
            if total_at(times, values, extents, open_, start, until) >= level and _allowed(
                limits, waiting, i, start, soon
            ):
                return place
            continue
        if nodes > count:
            continue
        at = 0
        while at < many and starts[at] != start:
            at += 1
        if at == many and many < _STARTS:
            starts[many] = start
            many += 1
        if at == _STARTS or level >= _LEVELS:
            _lasting(times, values, extents, open_, level, start, one)
            if _may(one, np.sort(one), waiting, i, start) and _allowed(limits, waiting, i, start, soon):
                return place
            continue
        if not known[at, level]:
            _lasting(times, values, extents, open_, level, start, kept[at, level, 0])
            kept[at, level, 1] = np.sort(kept[at, level, 0])
            known[at, level] = True
        if _may(kept[at, level, 0], kept[at, level, 1], waiting, i, start) and _allowed(
            limits, waiting, i, start, soon
        ):
            return place
    return turn.size
