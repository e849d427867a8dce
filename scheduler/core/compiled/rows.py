"""One row of step functions: look at it, and add to a stretch of it."""

# numba ships no types, and compiles these functions for the types that they are called with.
# pyright: basic, reportMissingParameterType=false, reportMissingTypeStubs=false

import numpy as np

from scheduler.core.compiled.compiling import compiled

BEGIN, END, ROOM = range(3)
"""The columns of a row's extent: its first step, one past its last, one past the last that it has room for."""

COLUMNS = 3


@compiled
def last_at(times, extents, row, instant):
    """The index of the step that holds at the instant, which is 0 or later."""
    low, high = extents[row, BEGIN], extents[row, END]
    while high - low > 1:
        middle = (low + high) // 2
        if times[middle] <= instant:
            low = middle
        else:
            high = middle
    return low


@compiled
def least(times, values, extents, row, start, end):
    """The lowest value on `[start, end)`; of an empty stretch, the value at `start`."""
    k = last_at(times, extents, row, start)
    found = values[k]
    k += 1
    while k < extents[row, END] and times[k] < end:
        found = min(found, values[k])
        k += 1
    return found


@compiled
def holds(times, values, extents, row, level, start, end):
    """Whether the value is at least `level` throughout `[start, end)`; stops at the first that is not."""
    k = last_at(times, extents, row, start)
    if values[k] < level:
        return False
    k += 1
    while k < extents[row, END] and times[k] < end:
        if values[k] < level:
            return False
        k += 1
    return True


@compiled
def _split(times, values, extents, row, instant):
    """Makes a step begin at the instant, if none does; its index."""
    k = last_at(times, extents, row, instant)
    if times[k] == instant:
        return k
    for i in range(extents[row, END], k + 1, -1):
        times[i] = times[i - 1]
        values[i] = values[i - 1]
    times[k + 1] = instant
    values[k + 1] = values[k]
    extents[row, END] += 1
    return k + 1


@compiled
def _join(times, values, extents, row, k):
    """Takes the step `k` out if it says what the one before it says."""
    if k <= extents[row, BEGIN] or k >= extents[row, END] or values[k] != values[k - 1]:
        return
    for i in range(k, extents[row, END] - 1):
        times[i] = times[i + 1]
        values[i] = values[i + 1]
    extents[row, END] -= 1


@compiled
def add(times, values, extents, row, start, end, amount):
    """Adds `amount` on `[start, end)`. The row needs room for two more steps."""
    start = max(start, 0)
    if amount == 0 or start >= end:
        return
    first = _split(times, values, extents, row, start)
    after = _split(times, values, extents, row, end)
    for k in range(first, after):
        values[k] += amount
    _join(times, values, extents, row, after)
    _join(times, values, extents, row, first)


@compiled
def forget(times, values, extents, before):
    """Lets every row's value at `before` hold for all time up to then."""
    for row in range(len(extents)):
        begin, end = extents[row, BEGIN], extents[row, END]
        k = last_at(times, extents, row, before)
        past = k - begin
        if past == 0:
            continue
        for i in range(k, end):
            times[i - past] = times[i]
            values[i - past] = values[i]
        times[begin] = 0
        extents[row, END] = end - past


@compiled
def packed(times, values, extents, room, spare):
    """All rows in arrays of their own, one after the other, each with room for so many steps more than it has; and how many
    steps that takes, after which there are so many to spare.
    """
    most = spare
    for row in range(len(extents)):
        most += extents[row, END] - extents[row, BEGIN] + room[row]
    instants, amounts, at = np.empty(most, np.int64), np.empty(most, np.int32), np.empty_like(extents)
    begin = 0
    for row in range(len(extents)):
        count = extents[row, END] - extents[row, BEGIN]
        for i in range(count):
            instants[begin + i] = times[extents[row, BEGIN] + i]
            amounts[begin + i] = values[extents[row, BEGIN] + i]
        at[row, BEGIN], at[row, END] = begin, begin + count
        begin += count + room[row]
        at[row, ROOM] = begin
    return instants, amounts, at, begin


@compiled
def lend(times, values, extents, spans, first, order, sign):
    """Adds the spans of these, in order, each a row, a begin, an end and an amount; or takes them away with a `sign` of -1.

    `first` has where the spans of each begin, and one more. Every row needs room for two more steps for each span.
    """
    for k in order:
        for i in range(first[k], first[k + 1]):
            add(times, values, extents, spans[i, 0], spans[i, 1], spans[i, 2], sign * spans[i, 3])


@compiled
def _free_for(times, values, extents, spans, begin, end):
    """Whether the rows of these spans have all of them."""
    for i in range(begin, end):
        if spans[i, 1] < spans[i, 2] and not holds(
            times, values, extents, spans[i, 0], spans[i, 3], spans[i, 1], spans[i, 2]
        ):
            return False
    return True


@compiled
def book(times, values, extents, spans, first, order, booked):
    """Takes away the spans of each of these, one after the other, whose rows have them all; marks those in `booked`."""
    for place in range(order.size):
        k = order[place]
        if _free_for(times, values, extents, spans, first[k], first[k + 1]):
            for i in range(first[k], first[k + 1]):
                add(times, values, extents, spans[i, 0], spans[i, 1], spans[i, 2], -spans[i, 3])
            booked[place] = True


@compiled
def _counted(low, level):
    """What a row that has `low` is of the room for a gang of `level` on a node; for a total, which has no level, all of it."""
    if level == 0:
        return max(np.int64(low), 0)
    return np.int64(low >= level)


@compiled
def book_beside(times, values, extents, open_, spans, first, order, booked, level, wanted, start, end):
    """The same, but of each only if a box that is to have the open rows over `[start, end)` has its room then too: `wanted`
    rows of `level` each, or without a level so much of all together.
    """
    room = np.int64(0)
    for row in range(len(extents)):
        if open_[row]:
            room += _counted(least(times, values, extents, row, start, end), level)
    for place in range(order.size):
        k = order[place]
        if not _free_for(times, values, extents, spans, first[k], first[k + 1]):
            continue
        had = room
        for i in range(first[k], first[k + 1]):
            row = spans[i, 0]
            before = least(times, values, extents, row, start, end)
            add(times, values, extents, row, spans[i, 1], spans[i, 2], -spans[i, 3])
            if open_[row]:
                room += _counted(least(times, values, extents, row, start, end), level) - _counted(before, level)
        if room >= wanted:
            booked[place] = True
            continue
        room = had
        for i in range(first[k], first[k + 1]):
            add(times, values, extents, spans[i, 0], spans[i, 1], spans[i, 2], spans[i, 3])
