"""How well each row suits a share over a stretch of time, as one number to sort by."""

# numba ships no types, and compiles these functions for the types that they are called with.
# pyright: basic, reportMissingParameterType=false, reportMissingTypeStubs=false

import numpy as np

from scheduler.core.compiled.compiling import compiled
from scheduler.core.compiled.rows import END, last_at, least

UNFIT = np.int64((1 << 62) - 1)
"""The suitability of a row that cannot take the share."""

_NEAR = (1 << 17) - 1


@compiled
def lows(times, values, extents, open_, start, end):
    """What each open row has throughout `[start, end)`; 0 for one that is closed or has less."""
    found = np.zeros(len(extents), np.int64)
    for row in range(len(extents)):
        if open_[row]:
            found[row] = max(0, least(times, values, extents, row, start, end))
    return found


@compiled
def standing(strands, fill, near):
    """One number for how well a row suits, the less the better: what it strands more, then its free, then what is near."""
    strands = max(0, min(strands + (1 << 20), (1 << 21) - 1))
    return (strands << 34) | (min(fill, _NEAR) << 17) | min(near, _NEAR)


@compiled
def suits(times, extents, free, level, stranded, start, end, spread):
    """For each row with `free >= level`: the less, the better; UNFIT for the others.

    First what the share strands more, by the table `stranded`; then the fullest row that holds it (with `spread`, the
    emptiest, before anything else); then the row on which something changes nearest to `end`.
    """
    found = np.full(len(extents), UNFIT)
    top = stranded.size - 1
    for row in range(len(extents)):
        has = free[row]
        if has < level:
            continue
        strands = stranded[min(has - level, top)] - stranded[min(has, top)]
        k = last_at(times, extents, row, end)
        # What is before the box is past, or as good as past: whoever forgot it decides the same.
        near = np.int64(_NEAR) if times[k] <= start else end - times[k]
        if k + 1 < extents[row, END]:
            near = min(near, times[k + 1] - end)
        if spread:
            emptiest = (_NEAR - min(has, _NEAR)) << 41
            found[row] = emptiest | (max(0, min(strands + (1 << 20), (1 << 21) - 1)) << 20) | (min(near, _NEAR) >> 3)
        else:
            found[row] = standing(strands, has, near)
    return found
