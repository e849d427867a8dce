"""Which of the waiting might start earlier than their slot: a look at all of them that lifts nothing out.

A waiting row's own booking begins at its slot, so before the slot the calendar is as if it were lifted, and from there
on its own node has room for it: whether it fits from `c` on is seen without lifting it, but for gangs on many nodes and
totals, of which a few are let through that do not fit after all. Who is let through is lifted and tried by the caller.
"""

# numba ships no types, and compiles these functions for the types that they are called with.
# pyright: basic, reportMissingParameterType=false, reportMissingTypeStubs=false

import numpy as np

from scheduler.core.compiled.compiling import compiled
from scheduler.core.compiled.rows import holds, last_at
from scheduler.core.compiled.search import total_at

SLOT, EARLIEST, NOTICE, LENGTH, DURATION, NODES, LEVEL, GPUS, LIMIT, RESERVE, ASKED, OWN = range(12)
"""The columns of a waiting row. NODES is 0 for a total; LIMIT and RESERVE are rows of the limits, or -1; OWN is the
one node of its placement, or -1."""

COLUMNS = 12


@compiled
def _free_at(times, values, lengths, open_, instant, free, at_least):
    """Writes every row's value at the instant, and for each level below `at_least.size` how many rows have it."""
    at_least[:] = 0
    for row in range(lengths.size):
        free[row] = -1
        if open_[row]:
            free[row] = values[row, last_at(times, row, lengths[row], instant)]
            if free[row] > 0:
                at_least[min(free[row], at_least.size - 1)] += 1
    for level in range(at_least.size - 2, -1, -1):
        at_least[level] += at_least[level + 1]


@compiled
def _enough(rows, free, waiting, i, start):
    """Whether so many rows hold the gang `i` from `start` until its slot, or to its end where they are not its own."""
    times, values, lengths = rows
    end = start + waiting[i, LENGTH]
    until_slot = min(end, waiting[i, SLOT])
    found = 0
    for row in range(lengths.size):
        if free[row] < waiting[i, LEVEL]:
            continue
        mine = waiting[i, OWN] == -1 or waiting[i, OWN] == row
        if holds(times, values, lengths, row, waiting[i, LEVEL], start, until_slot if mine else end):
            found += 1
            if found >= waiting[i, NODES]:
                return True
    return False


@compiled
def next_to_try(rows, open_, limits, waiting, begin, now):
    """The first waiting row, from `begin` on, that may start before its slot; as many as there are if none may."""
    times, values, lengths = rows
    free = np.empty(lengths.size, np.int64)
    at_least = np.zeros(1 << 10, np.int64)
    seen = np.int64(-1)
    for i in range(begin, len(waiting)):
        start = max(now + waiting[i, NOTICE], waiting[i, EARLIEST])
        slot = waiting[i, SLOT]
        if start >= slot:
            continue
        if start != seen:
            _free_at(times, values, lengths, open_, start, free, at_least)
            seen = start
        if waiting[i, NODES] > at_least[min(waiting[i, LEVEL], at_least.size - 1)]:
            continue
        allowed = True
        for column in (LIMIT, RESERVE):
            row = waiting[i, column]
            until = min(slot, start + waiting[i, DURATION])
            if row >= 0 and not holds(limits[0], limits[1], limits[2], row, waiting[i, GPUS], start, until):
                allowed = False
        if not allowed:
            continue
        if waiting[i, NODES] == 0:
            until = min(slot, start + waiting[i, LENGTH])
            if total_at(times, values, lengths, open_, start, until) >= waiting[i, GPUS]:
                return i
        elif _enough(rows, free, waiting, i, start):
            return i
    return len(waiting)
